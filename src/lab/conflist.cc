#include "lab/conflist.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "base/subprocess.h"

namespace caracal::lab {
namespace {

constexpr std::array<std::string_view, 5> kVersions = {"0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.3.0"};
constexpr std::chrono::seconds kPluginTime{60};

// prevResult came to DEL, and CHECK came at all, with 0.4.0.
bool at_least_0_4(std::string_view version) { return !version.starts_with("0.3"); }

tl::unexpected<CniFailure> failure(std::string_view plugin, unsigned code, std::string text) {
  return tl::unexpected<CniFailure>(CniFailure{std::string(plugin), code, std::move(text)});
}

std::string_view type_of(const json::object& plugin) {
  return plugin.at("type").get_string();  // parse_conflist() saw that it is there
}

}  // namespace

Result<ConfList> parse_conflist(std::string_view text, std::string_view source) {
  auto parsed = jsonio::parse(text);
  if (!parsed) return fail(parsed.error().within(source));
  const auto invalid = [&](std::string_view what) {
    return fail(Errc::kInvalid, fmt::format("{}: {}", source, what));
  };
  if (!parsed->is_object()) return invalid("a network configuration list is an object");
  ConfList list;
  list.cni_version = jsonio::get_string(*parsed, {"cniVersion"});
  list.name = jsonio::get_string(*parsed, {"name"});
  list.disable_check = jsonio::get_bool(*parsed, {"disableCheck"});
  if (std::find(kVersions.begin(), kVersions.end(), list.cni_version) == kVersions.end()) {
    return invalid(fmt::format("cniVersion: \"{}\" is none of 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0",
                               list.cni_version));
  }
  if (list.name.empty()) return invalid("name: must be a text that is not empty");
  const json::array& plugins = jsonio::get_array(*parsed, {"plugins"});
  if (plugins.empty()) return invalid("plugins: must be a list with at least one plugin");
  for (size_t i = 0; i < plugins.size(); ++i) {
    const std::string_view type = jsonio::get_string(plugins[i], {"type"});
    if (type.empty() || type.find('/') != type.npos) {
      return invalid(
          fmt::format("plugins[{}].type: \"{}\" must be the name of a plugin's program", i, type));
    }
    list.plugins.push_back(plugins[i].get_object());
  }
  return list;
}

std::string CniFailure::message() const {
  return code == 0 ? fmt::format("plugin {}: {}", plugin, text)
                   : fmt::format("plugin {}: {} (code {})", plugin, text, code);
}

CniRuntime::CniRuntime(ConfList list, std::vector<std::string> path, std::string netns)
    : list_(std::move(list)), path_(std::move(path)), netns_(std::move(netns)) {}

tl::expected<json::value, CniFailure> CniRuntime::execute(const json::object& plugin,
                                                          std::string_view command,
                                                          const Attachment& attachment,
                                                          const json::value& previous) const {
  const std::string type(type_of(plugin));
  std::string program;
  for (const std::string& folder : path_) {
    const std::string candidate = folder + "/" + type;
    if (::access(candidate.c_str(), X_OK) == 0) {
      program = candidate;
      break;
    }
  }
  if (program.empty()) {
    return failure(type, 0, fmt::format("not found in {}", fmt::join(path_, ", ")));
  }

  // Section 4, "Deriving execution configuration from plugin configuration".
  json::object conf = plugin;
  conf["cniVersion"] = list_.cni_version;
  conf["name"] = list_.name;
  if (const json::value* wanted = conf.if_contains("capabilities")) {
    json::object runtime;
    if (const json::object* capabilities = wanted->if_object()) {
      for (const auto& member : *capabilities) {
        const bool* on = member.value().if_bool();
        const json::value* given = attachment.capabilities.if_contains(member.key());
        if (on != nullptr && *on && given != nullptr) runtime[member.key()] = *given;
      }
    }
    conf.erase("capabilities");
    if (!runtime.empty()) conf["runtimeConfig"] = std::move(runtime);
  }
  if (!previous.is_null() && (command != "DEL" || at_least_0_4(list_.cni_version))) {
    conf["prevResult"] = previous;
  }

  std::string args;
  for (const auto& [key, value] : attachment.args) {
    args += (args.empty() ? "" : ";") + key + "=" + value;
  }
  const char* search = ::getenv("PATH");
  Command child;
  child.argv = {program};
  child.input = jsonio::to_string(json::value(std::move(conf)));
  child.environment = std::vector<std::string>{
      fmt::format("CNI_COMMAND={}", command),
      "CNI_CONTAINERID=" + attachment.container_id,
      "CNI_NETNS=" + attachment.netns,
      "CNI_IFNAME=" + attachment.interface,
      "CNI_ARGS=" + args,
      fmt::format("CNI_PATH={}", fmt::join(path_, ":")),
      fmt::format("PATH={}", search == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : search),
  };
  child.netns = netns_;
  child.timeout = kPluginTime;
  auto output = run(child);
  if (!output) return failure(type, 0, output.error().message);
  const auto answer = jsonio::parse(output->out);
  if (output->exit_code != 0) {
    if (answer && jsonio::get_int(*answer, {"code"}) > 0) {
      std::string text(jsonio::get_string(*answer, {"msg"}));
      const std::string_view details = jsonio::get_string(*answer, {"details"});
      if (!details.empty()) text += ": " + std::string(details);
      return failure(type, static_cast<unsigned>(jsonio::get_int(*answer, {"code"})),
                     std::move(text));
    }
    const std::string_view said = trim(output->err.empty() ? output->out : output->err);
    return failure(
        type, 0,
        fmt::format("exit status {}{}{}", output->exit_code, said.empty() ? "" : ": ", said));
  }
  if (command != "ADD") return json::value(nullptr);
  if (!answer || !answer->is_object()) {
    return failure(type, 0,
                   fmt::format("printed no result but: {}", trim(output->out).substr(0, 200)));
  }
  return *answer;
}

tl::expected<json::value, CniFailure> CniRuntime::add(const Attachment& attachment) const {
  json::value result;
  for (const json::object& plugin : list_.plugins) {
    auto next = execute(plugin, "ADD", attachment, result);
    if (!next) {
      // "a runtime ... should follow a failed ADD with a DEL"; its own outcome adds nothing to
      // tell.
      [[maybe_unused]] const auto undone = del(attachment, nullptr);
      return tl::unexpected<CniFailure>(std::move(next).error());
    }
    result = std::move(*next);
  }
  return result;
}

tl::expected<void, CniFailure> CniRuntime::del(const Attachment& attachment,
                                               const json::value& result) const {
  tl::expected<void, CniFailure> outcome;
  for (auto plugin = list_.plugins.rbegin(); plugin != list_.plugins.rend(); ++plugin) {
    auto done = execute(*plugin, "DEL", attachment, result);
    if (!done && outcome) outcome = tl::unexpected<CniFailure>(std::move(done).error());
  }
  return outcome;
}

tl::expected<void, CniFailure> CniRuntime::check(const Attachment& attachment,
                                                 const json::value& result) const {
  if (list_.disable_check || !at_least_0_4(list_.cni_version)) return {};
  for (const json::object& plugin : list_.plugins) {
    auto done = execute(plugin, "CHECK", attachment, result);
    if (!done) return tl::unexpected<CniFailure>(std::move(done).error());
  }
  return {};
}

}  // namespace caracal::lab
