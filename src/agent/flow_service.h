// FlowService: makes records of flows, keeps the last ones, and gives them to whoever asks and to
// the sinks.
//
// On the calculation loop. What decided about a flow is found on a worker, on the small part of the
// world that matters (flowlog/world_index.h). Without a FlowWatch (switched off, or the kernel
// refused) it only says so.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cni_service.h"
#include "agent/flow_watch.h"
#include "agent/link_monitor.h"
#include "agent/options.h"
#include "flowlog/attribution.h"
#include "flowlog/file_sink.h"
#include "flowlog/record_feed.h"
#include "flowlog/world_index.h"
#include "rpc/message.h"
#include "rpc/server.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

class FlowService {
 public:
  FlowService(event::Loop& loop, const Options& options, const CniService& cni,
              const LinkMonitor& links, telemetry::Metrics& metrics);
  // Opens the file sink and begins to read the log groups; says in status() what does not work.
  void start();
  bool running() const { return watch_ != nullptr; }
  FlowWatch* watch() { return watch_.get(); }

  void update(const model::Update& update);
  // "namespace/name" of who has an address; empty when it is not known.
  std::string name_of(const net::IpAddr& address);

  // {"last": N} or {"after": number, "waitMs": N}; answered with {"records", "next", "missed",
  // "dropped", "lost"}.
  void handle(const json::value& params, const rpc::Server::Respond& respond);
  json::object status() const;

 private:
  struct Task {
    flowlog::Subject subject;
    model::World world;
  };
  void on_flows(std::vector<flowlog::Flow> flows);
  void note_endpoints();  // workload interfaces know addresses before the API does
  flowlog::Subject subject_of(const flowlog::Flow& flow) const;
  void publish(std::vector<flowlog::Record> records);
  void write_file();

  event::Loop& loop_;
  const Options& options_;
  const CniService& cni_;
  const LinkMonitor& links_;
  telemetry::Metrics& metrics_;
  flowlog::WorldIndex world_;
  flowlog::RecordFeed feed_;
  std::string error_;
  std::string file_error_;

  std::shared_ptr<flowlog::FileSink> file_;
  std::string unwritten_;  // lines for the file
  bool writing_ = false;
  uint64_t unwritten_dropped_ = 0;  // records that did not fit while the file was slow

  telemetry::Counter& records_;
  std::unique_ptr<FlowWatch> watch_;  // last: it ends first
};

}  // namespace caracal::agent
