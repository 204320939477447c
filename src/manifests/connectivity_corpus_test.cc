// Compares what the analysis says of 91 directories of manifests with the connections another
// project's analyser expects of them; see testdata/connectivity/README.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "analysis/connectivity.h"
#include "analysis/port_text.h"
#include "base/file.h"
#include "base/strings.h"
#include "manifests/load.h"

namespace caracal::manifests {
namespace {

namespace fs = std::filesystem;
using analysis::AddressRange;
using policy::PortSet;

const std::string kCases = CARACAL_SOURCE_DIR "/src/manifests/testdata/connectivity";

// TCP, UDP and SCTP with ports from 1: what the expectations speak of.
PortSet known_ports() {
  PortSet set;
  for (const net::Protocol protocol : {net::kTcp, net::kUdp, net::kSctp})
    set.add(protocol, {1, 65535});
  return set;
}

// "TCP 80,443-500,UDP 53", "all".
PortSet parse_ports(const std::string& text) {
  if (text == "all") return known_ports();
  PortSet out;
  net::Protocol protocol;
  for (std::string_view part : split(text, ',')) {
    if (const size_t space = part.find(' '); space != std::string_view::npos) {
      protocol = *net::Protocol::parse(part.substr(0, space));
      part.remove_prefix(space + 1);
    }
    const size_t dash = part.find('-');
    const auto first = parse_decimal(part.substr(0, dash), 65535);
    const auto last =
        dash == std::string_view::npos ? first : parse_decimal(part.substr(dash + 1), 65535);
    EXPECT_TRUE(first && last) << text;
    if (first && last)
      out.add(protocol, {static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)});
  }
  return out;
}

std::vector<AddressRange> parse_ranges(const std::string& text) {
  std::vector<AddressRange> out;
  for (const std::string_view part : split(text, ',')) {
    const size_t dash = part.find('-');
    const auto first = net::IpAddr::parse(part.substr(0, dash));
    const auto last = net::IpAddr::parse(part.substr(dash + 1));
    EXPECT_TRUE(first && last) << text;
    if (first && last) out.push_back({*first, *last});
  }
  return out;
}

// "network | from => to" -> ports, ranges as one end each: (from, ports) -> ranges.
struct Connections {
  std::map<std::string, std::string> ports;
  std::map<std::string, std::vector<AddressRange>> ranges;

  void add(const std::string& network, const std::string& from, const std::string& to,
           const PortSet& ports_between) {
    PortSet open = ports_between;
    open.intersect(known_ports());
    if (!open.empty())
      ports[fmt::format("{} | {} => {}", network, from, to)] = analysis::port_text(open);
  }
  void add_ranges(const std::string& key, const std::vector<AddressRange>& more) {
    auto& all = ranges[key];
    all.insert(all.end(), more.begin(), more.end());
  }
  // Everything as text, to compare.
  std::set<std::string> lines() const {
    std::set<std::string> out;
    for (const auto& [pair, text] : ports) out.insert(pair + " : " + text);
    for (const auto& [key, list] : ranges) {
      std::vector<std::string> texts;
      for (const AddressRange& range : analysis::join_ranges(list))
        texts.push_back(analysis::range_text(range));
      out.insert(key + " : " + join(texts, ","));
    }
    return out;
  }
};

bool is_range(const std::string& end) {
  return end[0] >= '0' && end[0] <= '9' && end.find('[') == std::string::npos;
}

Connections expected_of(const std::string& text) {
  Connections out;
  std::string network;
  for (const std::string_view line_view : split(text, '\n')) {
    const std::string line(line_view);
    if (line.empty()) continue;
    if (line[0] == '[') {
      network = line.substr(1, line.size() - 2);
      if (network.starts_with("primary ")) network.erase(0, 8);
      if (network == "pod network") network.clear();
      continue;
    }
    if (network.starts_with("secondary ")) continue;  // not the network that policies are about
    const size_t arrow = line.find(" => ");
    const size_t colon = line.rfind(" : ");
    const std::string from = line.substr(0, arrow);
    const std::string to = line.substr(arrow + 4, colon - arrow - 4);
    PortSet ports = parse_ports(line.substr(colon + 3));
    ports.intersect(known_ports());
    if (is_range(from)) {
      out.add_ranges(fmt::format("{} | * => {} {}", network, to, analysis::port_text(ports)),
                     parse_ranges(from));
    } else if (is_range(to)) {
      out.add_ranges(fmt::format("{} | {} => * {}", network, from, analysis::port_text(ports)),
                     parse_ranges(to));
    } else {
      out.add(network, from, to, ports);
    }
  }
  return out;
}

Connections connections_of(const Manifests& manifests) {
  const analysis::Reachability reachability(manifests.world);
  auto made = analysis::Connectivity::make(
      reachability, manifests.view,
      analysis::make_ends(reachability, manifests.view, analysis::Level::kWorkload),
      analysis::external_parts(reachability));
  EXPECT_TRUE(made);
  const analysis::Connectivity& matrix = *made;
  Connections out;
  for (size_t from = 0; from < matrix.ends().size(); ++from) {
    const analysis::End& end = matrix.ends()[from];
    for (size_t to = 0; to < matrix.ends().size(); ++to) {
      if (from != to)
        out.add(end.network, end.label, matrix.ends()[to].label, matrix.between(from, to).any);
    }
    out.add(end.network, std::string(analysis::kIngressController), end.label,
            matrix.from_ingress_controller(from));
    for (size_t part = 0; part < matrix.externals().size(); ++part) {
      const auto& external = matrix.externals()[part];
      if (external.sample.is_v6()) continue;
      PortSet in = matrix.from_external(part, from).any;
      PortSet egress = matrix.to_external(from, part).any;
      in.intersect(known_ports());
      egress.intersect(known_ports());
      if (!in.empty())
        out.add_ranges(
            fmt::format("{} | * => {} {}", end.network, end.label, analysis::port_text(in)),
            external.ranges);
      if (!egress.empty())
        out.add_ranges(
            fmt::format("{} | {} => * {}", end.network, end.label, analysis::port_text(egress)),
            external.ranges);
    }
  }
  return out;
}

std::vector<std::string> cases() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(kCases)) {
    if (entry.is_directory()) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class ConnectivityCorpus : public ::testing::TestWithParam<std::string> {};

TEST_P(ConnectivityCorpus, Agrees) {
  const std::string folder = kCases + "/" + GetParam();
  LoadOptions options;
  options.every_pod = true;
  const Manifests manifests = load(std::vector<std::string>{folder + "/manifests.yaml"}, options);
  for (const Problem& problem : manifests.problems)
    EXPECT_FALSE(problem.error) << problem.to_string();
  // Where the API decides against the expectation, what it says instead.
  const std::string ours = folder + "/by-the-api.txt";
  const auto text = read_file(fs::exists(ours) ? ours : folder + "/expected.txt");
  ASSERT_TRUE(text);
  const std::set<std::string> expected = expected_of(*text).lines();
  const std::set<std::string> actual = connections_of(manifests).lines();
  std::vector<std::string> missing;
  std::vector<std::string> more;
  std::set_difference(expected.begin(), expected.end(), actual.begin(), actual.end(),
                      std::back_inserter(missing));
  std::set_difference(actual.begin(), actual.end(), expected.begin(), expected.end(),
                      std::back_inserter(more));
  EXPECT_TRUE(missing.empty() && more.empty())
      << "expected, but not so:\n  " << join(missing, "\n  ") << "\nso, but not expected:\n  "
      << join(more, "\n  ");
}

INSTANTIATE_TEST_SUITE_P(Cases, ConnectivityCorpus, ::testing::ValuesIn(cases()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(ConnectivityCorpus, IsThere) { EXPECT_EQ(cases().size(), 91U); }

}  // namespace
}  // namespace caracal::manifests
