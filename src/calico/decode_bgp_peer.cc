#include <limits>

#include "base/strings.h"
#include "calico/decode_bgp.h"
#include "calico/decode_entity_rule.h"
#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

constexpr FieldPath kSpec("spec");
constexpr std::string_view kPeerForm =
    "must be an address, ADDRESS:PORT, or [ADDRESS]:PORT in IPv6; a link-local address may have "
    "its interface behind: fe80::1%eth0";

class PeerReader {
 public:
  PeerReader(const json::object& object, ObjectReader& reader)
      : object_(object), spec_(spec_of(object, reader)), reader_(reader) {}

  std::optional<model::BgpPeer> read(const std::string& name) {
    const size_t problems = reader_.problems().size();
    peer_.name = name;
    read_nodes();
    read_other_side();
    read_as_numbers();
    read_next_hop();
    read_session();
    read_reachable_by();
    for (const auto& [filter, index] : reader_.texts(spec_, "filters", kSpec)) {
      peer_.filters.emplace_back(filter);
      if (filter.empty()) reader_.required(kSpec.member("filters").element(index));
    }
    peer_.reverse = word("reversePeering", {"Auto", "Manual"}) != "Manual";
    read_bfd();
    if (reader_.problems().size() > problems) return std::nullopt;
    return std::move(peer_);
  }

 private:
  bool given(std::string_view name) const {
    const json::value* value = kube::member(spec_, name);
    return value != nullptr && *value != json::value("");
  }
  std::string_view word(std::string_view name, std::initializer_list<std::string_view> words) {
    return reader_.word(spec_, name, kSpec, words);
  }
  std::optional<selector::Selector> selector(std::string_view name) {
    return decode_selector(spec_, kSpec, {.name = name}, reader_);
  }
  // Says that `later` cannot stand beside `first`.
  void exclude(std::string_view first, std::string_view later) {
    if (!given(first) || !given(later)) return;
    reader_.forbidden(kSpec.member(later), "cannot stand beside " + std::string(first));
  }

  void read_nodes() {
    peer_.node = reader_.text(spec_, "node", kSpec);
    peer_.nodes = selector("nodeSelector");
    exclude("node", "nodeSelector");
  }

  void read_other_side() {
    read_peer_ip();
    peer_.peers = selector("peerSelector");
    peer_.local_workloads = selector("localWorkloadSelector");
    exclude("peerIP", "peerSelector");
    exclude("peerIP", "localWorkloadSelector");
    exclude("peerSelector", "localWorkloadSelector");
    if (!given("peerIP") && !given("peerSelector") && !given("localWorkloadSelector")) {
      reader_.required(kSpec.member("peerIP"), "or peerSelector, or localWorkloadSelector");
    }
  }

  void read_peer_ip() {
    const std::string_view text = reader_.text(spec_, "peerIP", kSpec);
    if (text.empty()) return;
    if (!parse_peer_ip(text)) {
      reader_.invalid(kSpec.member("peerIP"), json::string(text), std::string(kPeerForm));
    }
  }

  bool parse_peer_ip(std::string_view text) {
    std::string_view port;
    if (text.starts_with("[")) {
      const size_t end = text.find(']');
      if (end == std::string_view::npos || end + 2 > text.size() || text[end + 1] != ':') {
        return false;
      }
      port = text.substr(end + 2);
      text = text.substr(1, end - 1);
      if (!take_address(text) || peer_.peer_ip->is_v4()) return false;
    } else {
      // One colon is a port's; IPv6 has two at least.
      const size_t colon = text.find(':');
      const bool has_port =
          colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
      if (has_port) port = text.substr(colon + 1);
      if (!take_address(has_port ? text.substr(0, colon) : text)) return false;
      if (!has_port) return true;
    }
    const auto number = parse_decimal(port, std::numeric_limits<uint16_t>::max());
    if (!number || *number == 0) return false;
    peer_.peer_port = static_cast<uint16_t>(*number);
    return true;
  }

  bool take_address(std::string_view text) {
    const size_t percent = text.find('%');
    const auto address = net::IpAddr::parse(text.substr(0, percent));
    if (!address) return false;
    peer_.peer_ip = *address;
    if (percent == std::string_view::npos) return true;
    const std::string_view interface = text.substr(percent + 1);
    constexpr size_t kMostInterface = 15;  // IFNAMSIZ of linux/if.h, less the final zero
    if (interface.empty() || interface.size() > kMostInterface ||
        interface.find_first_of("/ \t\n\"';") != std::string_view::npos) {
      return false;
    }
    static const net::Cidr kLinkLocal(net::IpAddr::v6({0xfe, 0x80}), 10);
    peer_.peer_interface = interface;
    return kLinkLocal.contains(*address);
  }

  void read_as_numbers() {
    peer_.as_number = as_number(spec_, "asNumber", kSpec, reader_);
    peer_.local_as_number = as_number(spec_, "localASNumber", kSpec, reader_);
    if (given("peerSelector") && given("asNumber")) {
      reader_.forbidden(kSpec.member("asNumber"),
                        "cannot stand beside peerSelector: the number is the peer node's");
    }
    for (const std::string_view side : {"peerIP", "localWorkloadSelector"}) {
      if (given(side) && !given("asNumber")) {
        reader_.required(kSpec.member("asNumber"), "the peer's, beside " + std::string(side));
      }
    }
  }

  void read_next_hop() {
    peer_.keep_next_hop = reader_.flag(spec_, "keepOriginalNextHop", kSpec);
    const std::string_view mode = word("nextHopMode", {"Auto", "Self", "Keep"});
    if (mode == "Self") peer_.next_hop = model::BgpPeer::NextHop::kSelf;
    if (mode == "Keep") peer_.next_hop = model::BgpPeer::NextHop::kKeep;
    if (peer_.keep_next_hop && !mode.empty()) {
      reader_.forbidden(kSpec.member("keepOriginalNextHop"), "cannot stand beside nextHopMode");
    }
  }

  void read_session() {
    peer_.password = secret_key(spec_, "password", kSpec, reader_);
    peer_.use_node_ip = word("sourceAddress", {"UseNodeIP", "None"}) != "None";
    peer_.max_restart_seconds = duration_seconds(spec_, "maxRestartTime", kSpec, reader_);
    peer_.keepalive_seconds = duration_seconds(spec_, "keepaliveTime", kSpec, reader_);
    if (const auto times = reader_.integer(spec_, "numAllowedLocalASNumbers", kSpec, 0, 255)) {
      peer_.allowed_local_as = static_cast<uint32_t>(*times);
    }
    if (const auto hops = reader_.integer(spec_, "ttlSecurity", kSpec, 0, 255)) {
      peer_.ttl_security = static_cast<uint8_t>(*hops);
    }
  }

  void read_reachable_by() {
    peer_.reachable_by = address(spec_, "reachableBy", kSpec, reader_);
    if (!peer_.reachable_by) return;
    if (!given("peerIP")) {
      reader_.forbidden(kSpec.member("reachableBy"), "may stand only beside peerIP");
    } else if (peer_.peer_ip && peer_.peer_ip->family() != peer_.reachable_by->family()) {
      reader_.invalid(kSpec.member("reachableBy"), json::string(peer_.reachable_by->to_string()),
                      "must be of the same family as peerIP");
    }
  }

  void read_bfd() {
    const json::object* metadata = reader_.object(object_, "metadata", FieldPath(""));
    if (metadata == nullptr) return;
    const FieldPath path("metadata");
    const model::Labels annotations = reader_.labels(*metadata, "annotations", path);
    const auto bfd = annotations.find(kBfdAnnotation);
    if (bfd == annotations.end()) return;
    peer_.bfd = bfd->second == "true";
    if (!peer_.bfd && bfd->second != "false") {
      reader_.invalid(path.member("annotations").member(kBfdAnnotation), json::string(bfd->second),
                      "must be \"true\" or \"false\"");
    }
  }

  const json::object& object_;
  const json::object& spec_;
  ObjectReader& reader_;
  model::BgpPeer peer_;
};

}  // namespace

std::optional<model::BgpPeer> decode_bgp_peer(const std::string& name, const json::object& object,
                                              ObjectReader& reader) {
  return PeerReader(object, reader).read(name);
}

}  // namespace caracal::calico
