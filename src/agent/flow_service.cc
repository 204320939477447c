#include "agent/flow_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "cni/error.h"

namespace caracal::agent {

namespace nft = dataplane::nft;

namespace {
constexpr size_t kPage = 1000;               // records an answer
constexpr size_t kMostUnwritten = 1u << 20;  // bytes that may wait for the file
constexpr int64_t kLongestWait = 60'000;     // ms

// The interface that was judged: where the packet came in for what leaves a pod or comes to the
// host, where it goes out for the others.
bool judged_at_input(nft::LogPlace place) {
  switch (place) {
    case nft::LogPlace::kPodIngress:
    case nft::LogPlace::kHostForwardEgress:
    case nft::LogPlace::kHostEgress:
    case nft::LogPlace::kHostUntrackedEgress:
      return false;
    default:
      return true;
  }
}

void write_log(const flowlog::Record& record) {
  const auto port = [](std::optional<uint16_t> p) { return p ? std::to_string(*p) : ""; };
  log::info("flow",
            {{"verdict", flowlog::to_string(record.verdict)},
             {"direction", record.direction == model::Direction::kIngress ? "ingress" : "egress"},
             {"protocol", record.protocol.to_string()},
             {"source", record.source.to_string()},
             {"source_name", record.source_name},
             {"source_port", port(record.source_port)},
             {"destination", record.destination.to_string()},
             {"destination_name", record.destination_name},
             {"destination_port", port(record.destination_port)},
             {"count", record.count},
             {"tier", record.tier},
             {"policy", record.policy},
             {"rule", record.rule ? std::to_string(*record.rule) : ""},
             {"reason", record.reason}});
}

}  // namespace

FlowService::FlowService(event::Loop& loop, const Options& options, const CniService& cni,
                         const LinkMonitor& links, telemetry::Metrics& metrics)
    : loop_(loop),
      options_(options),
      cni_(cni),
      links_(links),
      metrics_(metrics),
      feed_(loop, options.flow_records),
      records_(metrics.counter("caracal_flow_records_total", "Records of the flow log")) {}

void FlowService::start() {
  if (!options_.flow_log) {
    error_ = "switched off";
    return;
  }
  if (!options_.flow_file.empty()) {
    auto file = flowlog::FileSink::open({.path = options_.flow_file,
                                         .max_bytes = uint64_t{options_.flow_file_mib} << 20,
                                         .files = options_.flow_files});
    if (file) {
      file_ = std::make_shared<flowlog::FileSink>(std::move(*file));
    } else {
      file_error_ = file.error().message;
      log::error("flow log file not usable", {{"error", file_error_}});
    }
  }
  auto watch = FlowWatch::start(
      loop_, [this](std::vector<flowlog::Flow> flows) { on_flows(std::move(flows)); },
      {.per_second = options_.flow_rate, .burst = 2 * options_.flow_rate}, metrics_);
  if (watch) {
    watch_ = std::move(*watch);
  } else {
    error_ = watch.error().message;
    log::warn("no flow log", {{"error", error_}});
  }
}

void FlowService::update(const model::Update& update) {
  if (options_.flow_log) world_.apply(update);
}

flowlog::Subject FlowService::subject_of(const flowlog::Flow& flow) const {
  flowlog::Subject out;
  out.flow = flow;
  out.node = options_.node_name;
  out.interface = links_.name_of(judged_at_input(flow.mark.place) ? flow.in_index : flow.out_index);
  const auto endpoint = cni_.endpoints().find(out.interface);
  if (endpoint != cni_.endpoints().end()) out.pod = endpoint->second.pod;
  out.source_name = world_.name_of(flow.packet.source);
  out.destination_name = world_.name_of(flow.packet.destination);
  return out;
}

void FlowService::note_endpoints() {
  std::map<std::string, model::LocalEndpoint> endpoints;
  for (const auto& [interface, endpoint] : cni_.endpoints())
    endpoints.emplace(interface, local_endpoint(endpoint));
  world_.set_local_endpoints(std::move(endpoints));
}

std::string FlowService::name_of(const net::IpAddr& address) {
  note_endpoints();
  return world_.name_of(address);
}

void FlowService::on_flows(std::vector<flowlog::Flow> flows) {
  note_endpoints();
  auto tasks = std::make_shared<std::vector<Task>>();
  for (const flowlog::Flow& flow : flows) {
    Task& task = tasks->emplace_back();
    task.subject = subject_of(flow);
    if (flow.mark.reason != nft::LogReason::kPolicy) continue;  // needs no evaluation
    task.world = world_.excerpt(flow.packet.source, flow.packet.destination,
                                task.subject.pod ? &*task.subject.pod : nullptr);
  }
  loop_.work(
      [tasks] {
        std::vector<flowlog::Record> records;
        for (const Task& task : *tasks)
          records.push_back(flowlog::attribute(task.subject, task.world));
        return records;
      },
      [this](std::vector<flowlog::Record> records) { publish(std::move(records)); });
}

void FlowService::publish(std::vector<flowlog::Record> records) {
  for (flowlog::Record& record : records) {
    records_.add();
    if (options_.flow_journal) write_log(record);
    if (file_ != nullptr && unwritten_.size() < kMostUnwritten) {
      unwritten_ += jsonio::to_string(flowlog::to_json(record)) + "\n";
    } else if (file_ != nullptr) {
      ++unwritten_dropped_;
    }
    feed_.push(std::move(record));
  }
  write_file();
}

void FlowService::write_file() {
  if (file_ == nullptr || writing_ || unwritten_.empty()) return;
  writing_ = true;
  loop_.work([file = file_, lines = std::exchange(unwritten_, {})] { return file->write(lines); },
             [this](const Status& written) {
               writing_ = false;
               const std::string error = written ? std::string() : written.error().message;
               if (error != file_error_ && !error.empty())
                 log::error("flow log file not written", {{"error", error}});
               file_error_ = error;
               write_file();
             });
}

void FlowService::handle(const json::value& params, const rpc::Server::Respond& respond) {
  const auto answer = [this, respond](const flowlog::RecordFeed::Page& page) {
    json::object out;
    json::array& records = out["records"].emplace_array();
    for (const flowlog::Record& record : page.records) records.push_back(to_json(record));
    out["next"] = page.next;
    out["missed"] = page.missed;
    out["dropped"] = watch_ == nullptr ? 0 : watch_->dropped();
    out["lost"] = watch_ == nullptr ? 0 : watch_->lost();
    respond(rpc::success(std::move(out)));
  };
  if (!running()) {
    return respond(rpc::failure(static_cast<int>(cni::Code::kTryAgainLater),
                                "there is no flow log on this node", error_));
  }
  if (const json::value* last = jsonio::get(params, {"last"}); last != nullptr) {
    const int64_t count = jsonio::get_int(params, {"last"}, -1);
    if (count < 0) {
      return respond(rpc::failure(static_cast<int>(cni::Code::kInvalidConfig),
                                  "last: must be a number, 0 or more"));
    }
    return answer(feed_.last(static_cast<size_t>(count)));
  }
  const int64_t after = std::max<int64_t>(jsonio::get_int(params, {"after"}), 0);
  const int64_t wait = std::clamp<int64_t>(jsonio::get_int(params, {"waitMs"}), 0, kLongestWait);
  feed_.wait(static_cast<uint64_t>(after), kPage, event::Duration(wait), answer);
}

json::object FlowService::status() const {
  json::object out;
  out["running"] = running();
  if (!error_.empty()) out["error"] = error_;
  out["records"] = feed_.count();
  if (watch_ != nullptr) {
    out["dropped"] = watch_->dropped();
    out["lost"] = watch_->lost();
  }
  if (!options_.flow_file.empty()) {
    out["file"] = options_.flow_file;
    if (!file_error_.empty()) out["fileError"] = file_error_;
    if (unwritten_dropped_ != 0) out["fileDropped"] = unwritten_dropped_;
  }
  return out;
}

}  // namespace caracal::agent
