#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/output.h"
#include "lab/faults.h"
#include "lab/lab_commands.h"

namespace caracal::lab {
namespace {

struct Options {
  std::string name = "lab", action, target, format = "table";
  int value = 0;
};

Result<int> put(const Options& options, Fault::Kind kind) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  const Fault fault{kind, options.target, options.value};
  if (options.value == 0 && (kind == Fault::Kind::kLoss || kind == Fault::Kind::kDelay)) {
    CARACAL_TRY(remove_fault(lab, kind, options.target));
    fmt::print("link {} has no {} any more\n", options.target, to_string(kind));
    return 0;
  }
  CARACAL_TRY(add_fault(lab, fault));
  fmt::print("{}\n", to_text(fault));
  return 0;
}

Result<int> heal(const Options& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  if (options.target.empty()) {
    CARACAL_TRY(heal_all(lab));
    fmt::print("nothing is wrong on purpose any more\n");
    return 0;
  }
  size_t count = 0;
  for (const Fault::Kind kind : {Fault::Kind::kCut, Fault::Kind::kLoss, Fault::Kind::kDelay}) {
    CARACAL_ASSIGN(const bool removed, remove_fault(lab, kind, options.target));
    count += removed ? 1 : 0;
  }
  if (count == 0) return fail(Errc::kNotFound, fmt::format("link {} has no fault", options.target));
  fmt::print("link {} is well again\n", options.target);
  return 0;
}

Result<int> api(const Options& options) {
  if (options.action == "drop") return put(options, Fault::Kind::kApi);
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  CARACAL_ASSIGN(const bool removed, remove_fault(lab, Fault::Kind::kApi, options.target));
  if (!removed) {
    return fail(
        Errc::kNotFound,
        fmt::format("packets {}to the API server are not dropped",
                    options.target.empty() ? "of every node " : "of " + options.target + " "));
  }
  fmt::print("the API server is reached again\n");
  return 0;
}

Result<int> agent(const Options& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  CARACAL_ASSIGN(const std::string done,
                 act_on_agent(lab, options.target,
                              options.action == "stop"    ? AgentAction::kStop
                              : options.action == "start" ? AgentAction::kStart
                              : options.action == "kill"  ? AgentAction::kKill
                                                          : AgentAction::kRestart));
  fmt::print("{}\n", done);
  return 0;
}

Result<int> bird(const Options& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  CARACAL_ASSIGN(const std::string done,
                 act_on_bird(lab, options.target,
                             options.action == "stop"    ? BirdAction::kStop
                             : options.action == "start" ? BirdAction::kStart
                                                         : BirdAction::kKill));
  fmt::print("{}\n", done);
  return 0;
}

Result<int> router(const Options& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  CARACAL_ASSIGN(const std::string done,
                 act_on_router(lab, options.target, options.action == "stop"));
  fmt::print("{}\n", done);
  return 0;
}

Result<int> list(const Options& options) {
  CARACAL_ASSIGN(const Lab lab, find_lab(options.name));
  CARACAL_ASSIGN(const std::vector<ActiveFault> faults, active_faults(lab));
  const cli::Format format = *cli::parse_format(options.format);
  json::array all;
  for (const ActiveFault& fault : faults) {
    all.push_back(
        json::object{{"kind", fault.kind}, {"target", fault.target}, {"text", fault.text}});
    if (format == cli::Format::kTable) fmt::print("{}\n", fault.text);
  }
  if (format != cli::Format::kTable) fmt::print("{}", cli::render(all, format));
  if (format == cli::Format::kTable && faults.empty()) fmt::print("nothing is wrong on purpose\n");
  return 0;
}

}  // namespace

void add_fault_commands(CLI::App& parent, cli::Action& chosen) {
  CLI::App* group =
      cli::add_group(parent, "fault", "make something wrong on purpose, and well again");
  using Run = Result<int> (*)(const Options&);
  // A command with its options, all of one form: [ACTION] [TARGET] [VALUE].
  const auto add = [&](const char* name, const char* about, const char* examples, Run run) {
    auto options = std::make_shared<Options>();
    CLI::App* command = cli::add_command(*group, chosen, name, about, examples,
                                         [options, run] { return run(*options); });
    add_name_option(*command, options->name);
    return std::pair(command, options);
  };
  const auto with_action = [](const auto& made, std::vector<std::string> actions) {
    made.first
        ->add_option("action", made.second->action, fmt::format("{}", fmt::join(actions, ", ")))
        ->required()
        ->check(CLI::IsMember(actions))
        ->type_name("ACTION");
  };
  const auto with_target = [](const auto& made, const char* about, const char* type) {
    return made.first->add_option("target", made.second->target, about)->type_name(type);
  };
  constexpr const char* kLink = "a node, ROUTER:SUBNET, host or outside";

  with_target(add("cut", "take a link's carrier away",
                  "  caracal lab fault cut node2\n  caracal lab fault cut r1:east",
                  [](const Options& o) { return put(o, Fault::Kind::kCut); }),
              kLink, "LINK")
      ->required();
  with_target(add("heal", "take the faults of a link back; without one, all there are",
                  "  caracal lab fault heal node2\n  caracal lab fault heal", heal),
              kLink, "LINK");
  {
    const auto made = add("loss", "lose some of a link's packets",
                          "  caracal lab fault loss node2 10     # percent, each way; 0: none",
                          [](const Options& o) { return put(o, Fault::Kind::kLoss); });
    with_target(made, kLink, "LINK")->required();
    made.first->add_option("percent", made.second->value, "0 to 100")
        ->required()
        ->check(CLI::Range(0, 100))
        ->type_name("PERCENT");
  }
  {
    const auto made = add("delay", "make a link slower (needs the kernel's netem)",
                          "  caracal lab fault delay node2 20    # milliseconds, each way; 0: none",
                          [](const Options& o) { return put(o, Fault::Kind::kDelay); });
    with_target(made, kLink, "LINK")->required();
    made.first->add_option("milliseconds", made.second->value, "0 to 10000")
        ->required()
        ->check(CLI::Range(0, 10'000))
        ->type_name("MS");
  }
  {
    const auto made = add("api", "drop packets to and from the API server, silently",
                          "  caracal lab fault api drop           # of every node\n"
                          "  caracal lab fault api drop node2\n"
                          "  caracal lab fault api restore node2",
                          api);
    with_action(made, {"drop", "restore"});
    with_target(made, "one node only", "NODE");
  }
  {
    const auto made = add(
        "agent", "kill, stop, start or restart the agent of a node",
        "  caracal lab fault agent kill node1      # SIGKILL; it is started again at once", agent);
    with_action(made, {"kill", "stop", "start", "restart"});
    with_target(made, "the node", "NODE")->required();
  }
  {
    const auto made = add("bird", "freeze BIRD of a node, let it go on, or kill it",
                          "  caracal lab fault bird stop node1\n"
                          "  caracal lab fault bird start node1\n"
                          "  caracal lab fault bird kill node1       # its agent starts it again",
                          bird);
    with_action(made, {"stop", "start", "kill"});
    with_target(made, "the node", "NODE")->required();
  }
  {
    const auto made = add("router", "stop FRR of a router, or start it again",
                          "  caracal lab fault router stop tor-a", router);
    with_action(made, {"stop", "start"});
    with_target(made, "the router", "ROUTER")->required();
  }
  {
    const auto made =
        add("list", "what is wrong on purpose at this moment", "  caracal lab fault list", list);
    add_format_option(*made.first, made.second->format);
  }
}

}  // namespace caracal::lab
