#include "analysis/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "analysis/port_text.h"

namespace caracal::analysis {
namespace {

using policy::PortSet;

// Ends of one world by what they are called.
std::map<std::string, size_t> index_of(const Connectivity& matrix) {
  std::map<std::string, size_t> out;
  for (size_t i = 0; i < matrix.ends().size(); ++i) out.emplace(matrix.ends()[i].label, i);
  return out;
}

class Comparison {
 public:
  Comparison(const Connectivity& before, const Connectivity& after, const PortChoice& choice)
      : before_(before), after_(after), choice_(choice) {
    const auto old_ends = index_of(before);
    const auto new_ends = index_of(after);
    for (const auto& [label, i] : old_ends) ends_[label].first = i;
    for (const auto& [label, i] : new_ends) ends_[label].second = i;
  }

  Difference run() {
    for (const auto& [from_label, from] : ends_) {
      for (const auto& [to_label, to] : ends_) {
        Change change{from_label, to_label, {}, {}, false, false};
        mark(change, from);
        mark(change, to);
        PortSet old_ports;
        PortSet new_ports;
        if (from.first && to.first) old_ports = before_.between(*from.first, *to.first).any;
        if (from.second && to.second) new_ports = after_.between(*from.second, *to.second).any;
        add(std::move(change), old_ports, new_ports);
      }
      outside(from_label, from, false);
      outside(from_label, from, true);
      Change change{std::string(kIngressController), from_label, {}, {}, false, false};
      mark(change, from);
      add(std::move(change), from.first ? before_.from_ingress_controller(*from.first) : PortSet(),
          from.second ? after_.from_ingress_controller(*from.second) : PortSet());
    }
    return std::move(out_);
  }

 private:
  using Both = std::pair<std::optional<size_t>, std::optional<size_t>>;

  static void mark(Change& change, const Both& end) {
    change.end_is_new = change.end_is_new || !end.first;
    change.end_is_gone = change.end_is_gone || !end.second;
  }

  // Ports of the choice only.
  PortSet chosen(PortSet set) const {
    if (!choice_.number) return set;
    if (!contains(set, *choice_.number)) return {};
    const uint32_t one[] = {*choice_.number, *choice_.number + 1};
    return PortSet::from_numbers(one);
  }

  void add(Change change, const PortSet& old_ports, const PortSet& new_ports) {
    change.opened = new_ports;
    change.opened.subtract(old_ports);
    change.opened = chosen(std::move(change.opened));
    change.closed = old_ports;
    change.closed.subtract(new_ports);
    change.closed = chosen(std::move(change.closed));
    if (!change.opened.empty() || !change.closed.empty()) out_.changes.push_back(std::move(change));
  }

  void outside(const std::string& label, const Both& end, bool in) {
    struct Alike {
      PortSet before;
      PortSet after;
      std::vector<AddressRange> ranges;
    };
    std::vector<Alike> alike;
    const auto ports = [&](const Connectivity& matrix, std::optional<size_t> i, size_t part) {
      if (!i) return PortSet();
      return in ? matrix.from_external(part, *i).any : matrix.to_external(*i, part).any;
    };
    for (size_t part = 0; part < before_.externals().size(); ++part) {
      const PortSet old_ports = ports(before_, end.first, part);
      const PortSet new_ports = ports(after_, end.second, part);
      if (old_ports == new_ports) continue;
      auto it = std::find_if(alike.begin(), alike.end(), [&](const Alike& group) {
        return group.before == old_ports && group.after == new_ports;
      });
      if (it == alike.end()) it = alike.insert(alike.end(), {old_ports, new_ports, {}});
      const auto& ranges = before_.externals()[part].ranges;
      it->ranges.insert(it->ranges.end(), ranges.begin(), ranges.end());
    }
    for (Alike& group : alike) {
      for (const AddressRange& range : join_ranges(std::move(group.ranges))) {
        Change change{
            in ? range_text(range) : label, in ? label : range_text(range), {}, {}, false, false};
        mark(change, end);
        add(std::move(change), group.before, group.after);
      }
    }
  }

  const Connectivity& before_;
  const Connectivity& after_;
  const PortChoice& choice_;
  std::map<std::string, Both> ends_;
  Difference out_;
};

std::string_view remark(const Change& change) {
  if (change.end_is_new) return " (new)";
  if (change.end_is_gone) return " (gone)";
  return "";
}

}  // namespace

bool Difference::opens() const {
  return std::any_of(changes.begin(), changes.end(),
                     [](const Change& change) { return !change.opened.empty(); });
}
bool Difference::closes() const {
  return std::any_of(changes.begin(), changes.end(),
                     [](const Change& change) { return !change.closed.empty(); });
}

Difference compare(const Connectivity& before, const Connectivity& after,
                   const PortChoice& choice) {
  return Comparison(before, after, choice).run();
}

std::string to_text(const Difference& difference) {
  if (difference.changes.empty()) return "nothing opens, nothing closes\n";
  std::string out;
  size_t opened = 0;
  size_t closed = 0;
  for (const Change& change : difference.changes) {
    if (change.opened.empty()) continue;
    ++opened;
    out += fmt::format("+ {} -> {}: {}{}\n", change.from, change.to, port_text(change.opened),
                       remark(change));
  }
  for (const Change& change : difference.changes) {
    if (change.closed.empty()) continue;
    ++closed;
    out += fmt::format("- {} -> {}: {}{}\n", change.from, change.to, port_text(change.closed),
                       remark(change));
  }
  return out + fmt::format("{} opened, {} closed\n", opened, closed);
}

json::value to_json(const Difference& difference) {
  json::array opened;
  json::array closed;
  const auto entry = [](const Change& change, const PortSet& ports) {
    json::object object{{"from", change.from}, {"to", change.to}, {"ports", port_json(ports)}};
    if (change.end_is_new) object["new"] = true;
    if (change.end_is_gone) object["gone"] = true;
    return object;
  };
  for (const Change& change : difference.changes) {
    if (!change.opened.empty()) opened.push_back(entry(change, change.opened));
    if (!change.closed.empty()) closed.push_back(entry(change, change.closed));
  }
  return {{"opened", std::move(opened)}, {"closed", std::move(closed)}};
}

}  // namespace caracal::analysis
