#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/file.h"
#include "cli/output.h"
#include "lab/lab.h"
#include "lab/lab_commands.h"
#include "lab/picture.h"
#include "lab/trace.h"

namespace caracal::lab {
namespace {

struct TraceOptions {
  std::string name = "lab", ns = "default", from, to, protocol = "tcp", format = "table";
  uint16_t port = 80;
  bool ipv6 = false;
  int timeout = 1000;
};

Result<int> trace(const TraceOptions& options) {
  CARACAL_ASSIGN(const Present present, look_at(options.name));
  const LabView view(present.lab.plan, present.world);
  CARACAL_ASSIGN(const EndRef from, parse_end(options.from, options.ns));
  CARACAL_ASSIGN(const EndRef to, parse_end(options.to, options.ns));
  TraceRequest request;
  CARACAL_ASSIGN(request.from, view.resolve(from));
  CARACAL_ASSIGN(request.to, view.resolve(to));
  // The first family of the lab that the destination has.
  request.family = options.ipv6 ? net::Family::kIPv6 : request.to.addresses.front().family();
  request.protocol = options.protocol == "tcp"   ? net::kTcp
                     : options.protocol == "udp" ? net::kUdp
                                                 : net::kIcmp;
  request.port = options.port;
  request.timeout = std::chrono::milliseconds(options.timeout);
  CARACAL_ASSIGN(const Trace result, run_trace(present.lab, present.world, request));
  const cli::Format format = *cli::parse_format(options.format);
  fmt::print("{}", format == cli::Format::kTable ? trace_text(result, cli::terminal_style())
                                                 : cli::render(to_json(result), format));
  return result.outcome == Outcome::kOpen ? 0 : 1;
}

struct ShowOptions {
  std::string name = "lab", svg, format = "table";
};

Result<int> show(const ShowOptions& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  const Picture picture = look_at_network(lab);
  const cli::Format format = *cli::parse_format(options.format);
  if (options.svg == "-") {
    fmt::print("{}", picture_svg(picture));
    return 0;
  }
  if (!options.svg.empty()) CARACAL_TRY(write_file_atomic(options.svg, picture_svg(picture)));
  fmt::print("{}", format == cli::Format::kTable ? picture_text(picture, cli::terminal_style())
                                                 : cli::render(to_json(picture), format));
  return 0;
}

}  // namespace

void add_network_commands(CLI::App& group, cli::Action& chosen) {
  {
    auto options = std::make_shared<ShowOptions>();
    CLI::App* command = cli::add_command(
        group, chosen, "show",
        "the network as it is: segments, routers, nodes, blocks, tunnels, routes, BGP sessions",
        "  caracal lab show\n"
        "  caracal lab show --svg lab.svg      # as a picture, too; - for standard output\n"
        "  caracal lab show -o json",
        [options] { return show(*options); });
    add_name_option(*command, options->name);
    command->add_option("--svg", options->svg, "also write the picture to this file")
        ->type_name("FILE");
    add_format_option(*command, options->format);
  }
  {
    auto options = std::make_shared<TraceOptions>();
    CLI::App* command =
        cli::add_command(group, chosen, "trace",
                         "send one real packet and show every hop it takes: devices, tunnels, "
                         "translations, verdicts",
                         "  caracal lab trace prod/pod1 dev/pod1 --port 80\n"
                         "  caracal lab trace dev/pod1 prod/pod1 --protocol icmp --ipv6\n"
                         "  caracal lab trace outside:198.51.100.10 dev/pod1 -o json\n"
                         "Exit status: 0 when it was answered, 1 otherwise.",
                         [options] { return trace(*options); });
    add_name_option(*command, options->name);
    add_end_options(*command, options->from, options->to, options->timeout);
    command->add_option("--port", options->port, "destination port of TCP and UDP")
        ->check(CLI::Range(1, 65535))
        ->capture_default_str();
    command->add_option("--protocol", options->protocol, "tcp, udp or icmp")
        ->check(CLI::IsMember({"tcp", "udp", "icmp"}))
        ->capture_default_str();
    command->add_flag("--ipv6", options->ipv6, "over IPv6, where both ends have both");
    add_namespace_option(*command, options->ns);
    add_format_option(*command, options->format);
  }
}

}  // namespace caracal::lab
