#include "agent/flow_watch.h"

#include "base/log.h"
#include "dataplane/nft/log_groups.h"

namespace caracal::agent {

namespace nft = dataplane::nft;

namespace {
constexpr event::Duration kExpireEvery{250};
}

Result<std::unique_ptr<FlowWatch>> FlowWatch::start(event::Loop& receiver, Deliver deliver,
                                                    flowlog::FlowLimits limits,
                                                    telemetry::Metrics& metrics) {
  std::unique_ptr<FlowWatch> watch(new FlowWatch(receiver, std::move(deliver), limits, metrics));
  for (const uint16_t group : {nft::kDeniedGroup, nft::kLoggedGroup}) {
    CARACAL_ASSIGN(flowlog::NflogReader reader, flowlog::NflogReader::open(group));
    auto& kept =
        watch->readers_.emplace_back(std::make_unique<flowlog::NflogReader>(std::move(reader)));
    CARACAL_ASSIGN(event::Handle handle,
                   watch->loop_.watch_fd(
                       kept->fd(), {.read = true, .write = false},
                       [raw = watch.get(), &reader = *kept](event::Ready) { raw->read(reader); }));
    watch->watches_.push_back(std::move(handle));
  }
  watch->thread_ = std::thread([raw = watch.get()] { raw->loop_.run(); });
  return watch;
}

FlowWatch::FlowWatch(event::Loop& receiver, Deliver deliver, flowlog::FlowLimits limits,
                     telemetry::Metrics& metrics)
    : receiver_(receiver),
      deliver_(std::move(deliver)),
      gate_(limits),
      packets_(metrics.counter("caracal_flow_packets_total",
                               "Denied and logged packets the kernel told of")),
      lost_counter_(metrics.counter("caracal_flow_packets_lost_total",
                                    "Packets lost between the kernel and the flow log")),
      dropped_counter_(metrics.counter("caracal_flow_packets_dropped_total",
                                       "Packets without a record: over the flow log's limits")) {}

FlowWatch::~FlowWatch() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

void FlowWatch::read(flowlog::NflogReader& reader) {
  const auto now = std::chrono::steady_clock::now();
  const auto time = std::chrono::system_clock::now();
  std::vector<flowlog::Flow> flows;
  const Status drained = reader.drain([&](const flowlog::Capture& capture) {
    packets_.add();
    const auto mark = nft::parse_prefix(capture.prefix);
    const auto packet = flowlog::parse_packet(capture.payload);
    if (!mark || !packet) return;
    const flowlog::Flow flow{*mark, capture.in_index, capture.out_index, *packet, 1, time};
    if (auto told = gate_.add(flow, now)) flows.push_back(std::move(*told));
  });
  if (!drained) log::error("flow log not read", {{"error", drained.error().message}});
  count();
  hand_on(std::move(flows));
  if (gate_.followed() != 0 && !timer_.active())
    timer_ = loop_.every(kExpireEvery, [this] { expire(); });
}

void FlowWatch::expire() {
  hand_on(gate_.expire(std::chrono::steady_clock::now()));
  count();
  if (gate_.followed() == 0) timer_.reset();
}

void FlowWatch::count() {
  uint64_t lost = 0;
  for (const auto& reader : readers_) lost += reader->lost();
  lost_counter_.add(lost - std::exchange(lost_told_, lost));
  dropped_counter_.add(gate_.dropped() - std::exchange(dropped_told_, gate_.dropped()));
  lost_.store(lost, std::memory_order_relaxed);
  dropped_.store(gate_.dropped(), std::memory_order_relaxed);
}

void FlowWatch::hand_on(std::vector<flowlog::Flow> flows) {
  if (flows.empty()) return;
  receiver_.post([this, flows = std::move(flows)]() mutable { deliver_(std::move(flows)); });
}

}  // namespace caracal::agent
