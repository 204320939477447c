// The CNI plugin: environment and standard input in, standard output and exit status out.
//
// Thin: it checks the request, hands it to the agent over the local socket, and prints the answer.
// It keeps nothing and touches nothing, so a plugin that is killed leaves nothing behind. cmd/cni
// is its main(); linked statically, so it uses little.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cni/request.h"
#include "rpc/message.h"

namespace caracal::cni {

// Asks the agent; the seam for tests. Errors are of the transport.
using AskAgent =
    std::function<Result<rpc::Reply>(const std::string& socket, const RawRequest& request)>;
// Over the socket, with the time limit of the command.
Result<rpc::Reply> ask_agent(const std::string& socket, const RawRequest& request);

struct PluginOutput {
  int exit_code = 0;
  std::string text;  // for standard output
};

// `raw.config` is made from `input`; a `raw.command` of "" means that CNI_COMMAND is not set.
PluginOutput run_plugin(RawRequest raw, std::string_view input, const AskAgent& ask = ask_agent);

}  // namespace caracal::cni
