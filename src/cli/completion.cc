#include "cli/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/strings.h"

namespace caracal::cli {
namespace {

bool hidden(const CLI::App& command) { return command.get_group().empty(); }

// One branch of the script's `case`: the words that may follow the commands in `path`.
void append_case(std::string& out, const CLI::App& command, const std::string& path) {
  std::vector<std::string> words;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    if (!hidden(*sub)) words.push_back(sub->get_name());
  }
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    for (const std::string& name : option->get_snames()) words.push_back("-" + name);
  }
  out += fmt::format("    '{}') words='{}' ;;\n", path, join(words, " "));
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    if (!hidden(*sub))
      append_case(out, *sub, path.empty() ? sub->get_name() : path + " " + sub->get_name());
  }
}

}  // namespace

std::string bash_completion(const CLI::App& root, const std::string& program) {
  std::string cases;
  append_case(cases, root, "");
  std::string function = "_" + program;
  for (char& c : function) c = c == '-' ? '_' : c;
  // The path of subcommands is what stands before the word, flags and their values left out: a word
  // counts only while it continues a known path.
  return fmt::format(
      "# bash completion for {0}; load with: source <({0} completion bash)\n"
      "{1}_words() {{\n"
      "  local words\n"
      "  case \"$1\" in\n"
      "{2}"
      "    *) return 1 ;;\n"
      "  esac\n"
      "  printf '%s' \"$words\"\n"
      "}}\n"
      "{1}() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous='' path='' next word i\n"
      "  ((COMP_CWORD > 0)) && previous=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${{COMP_WORDS[i]}}\n"
      "    next=\"${{path:+$path }}$word\"\n"
      "    [[ $word != -* ]] && {1}_words \"$next\" >/dev/null && path=$next\n"
      "  done\n"
      "  case $previous in\n"
      "    -o|--output) COMPREPLY=($(compgen -W 'table json yaml' -- \"$current\")); return ;;\n"
      "    --kubeconfig|--topology|--script|--state-dir) COMPREPLY=($(compgen -f -- "
      "\"$current\")); return ;;\n"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$({1}_words \"$path\")\" -- \"$current\"))\n"
      "}}\n"
      "complete -F {1} {0}\n",
      program, function, cases);
}

void add_completion_command(CLI::App& app, Action& chosen) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      add_command(app, chosen, "completion", "print a completion script for the shell",
                  "  source <(caracal completion bash)\n"
                  "  caracal completion bash > /etc/bash_completion.d/caracal",
                  [&app, shell]() -> Result<int> {
                    fmt::print("{}", bash_completion(app, "caracal"));
                    return 0;
                  });
  command->add_option("shell", *shell, "bash")
      ->required()
      ->check(CLI::IsMember({"bash"}))
      ->type_name("SHELL");
}

}  // namespace caracal::cli
