#include "cni/plugin.h"

#include <chrono>

#include "rpc/client.h"

namespace caracal::cni {
namespace {

PluginOutput print_error(const Error& error, std::string_view cni_version) {
  return {1, jsonio::to_pretty_string(to_json(error, cni_version))};
}

// The agent does not answer. ADD, DEL, CHECK and GC are to be tried again; STATUS has codes of its
// own.
Error not_answering(Command command, const std::string& socket, const caracal::Error& error) {
  return Error{command == Command::kStatus ? Code::kNotAvailable : Code::kTryAgainLater,
               "caracal-agent does not answer on " + socket + "; try again when it runs",
               error.message};
}

}  // namespace

Result<rpc::Reply> ask_agent(const std::string& socket, const RawRequest& request) {
  const std::chrono::seconds limit(request.command == "GC" ? 120 : 40);
  return rpc::call_once(socket, "cni", to_json(request), limit);
}

PluginOutput run_plugin(RawRequest raw, std::string_view input, const AskAgent& ask) {
  const Outcome<Command> command = parse_command(raw.command);
  if (!command) return print_error(command.error(), to_string(kNewest));

  auto config = jsonio::parse(input);
  // The version to answer in: the one asked for, when it can be made out.
  const std::string_view asked = config ? jsonio::get_string(*config, {"cniVersion"}) : "";
  const std::string version(parse_version(asked) ? asked : to_string(kNewest));
  if (*command == Command::kVersion) {
    return {0, jsonio::to_pretty_string(version_reply(asked))};
  }
  if (!config) {
    return print_error({Code::kDecodeFailure,
                        "network configuration on standard input: " + config.error().message, ""},
                       version);
  }
  raw.config = std::move(*config);
  const Outcome<Request> request = parse_request(raw);
  if (!request) return print_error(request.error(), version);

  const auto reply = ask(request->config.socket, raw);
  if (!reply) {
    return print_error(not_answering(*command, request->config.socket, reply.error()), version);
  }
  if (reply->error) {
    return print_error(
        {static_cast<Code>(reply->error->code), reply->error->msg, reply->error->details}, version);
  }
  // Only ADD has a result to print.
  return {0, *command == Command::kAdd ? jsonio::to_pretty_string(reply->result) : ""};
}

}  // namespace caracal::cni
