#include "calico/decode_network_settings.h"

#include <algorithm>
#include <regex>

#include "base/strings.h"
#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

using model::NetworkSettings;

constexpr FieldPath kSpec("spec");
constexpr int64_t kMostMtu = 65535;
constexpr int64_t kMostVni = 0xffffff;  // 24 bits (RFC 7348)
constexpr int64_t kMostPriority = 2147483646;
constexpr size_t kMostPattern = 256;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

class SettingsReader {
 public:
  SettingsReader(const json::object& spec, ObjectReader& reader) : spec_(spec), reader_(reader) {}

  NetworkSettingsPart read() {
    number("vxlanVNI", &NetworkSettings::vxlan_vni, 1, kMostVni);
    number("vxlanPort", &NetworkSettings::vxlan_port, 1, 65535);
    number("vxlanMTU", &NetworkSettings::vxlan_mtu, 0, kMostMtu);
    number("vxlanMTUV6", &NetworkSettings::vxlan_mtu_v6, 0, kMostMtu);
    number("ipipMTU", &NetworkSettings::ipip_mtu, 0, kMostMtu);
    number("wireguardListeningPort", &NetworkSettings::wireguard_port, 1, 65535);
    number("wireguardListeningPortV6", &NetworkSettings::wireguard_port_v6, 1, 65535);
    number("wireguardMTU", &NetworkSettings::wireguard_mtu, 0, kMostMtu);
    number("wireguardMTUV6", &NetworkSettings::wireguard_mtu_v6, 0, kMostMtu);
    number("ipv4NormalRoutePriority", &NetworkSettings::route_metric, 1, kMostPriority);
    flag("wireguardEnabled", &NetworkSettings::wireguard);
    flag("wireguardEnabledV6", &NetworkSettings::wireguard_v6);
    if (const auto seconds = duration_seconds(spec_, "wireguardKeepAlive", kSpec, reader_)) {
      part_.set(&NetworkSettings::wireguard_keepalive_seconds, *seconds);
    }
    read_pattern();
    read_exclusions();
    if (const auto source = address(spec_, "natOutgoingAddress", kSpec, reader_)) {
      part_.set(&NetworkSettings::nat_address, std::optional(*source));
    }
    read_ports();
    return std::move(part_);
  }

 private:
  template <typename Value>
  void number(std::string_view name, Value NetworkSettings::*member, int64_t min, int64_t max) {
    if (const auto value = reader_.integer(spec_, name, kSpec, min, max)) {
      part_.set(member, static_cast<Value>(*value));
    }
  }
  void flag(std::string_view name, bool NetworkSettings::*member) {
    const json::value* value = kube::member(spec_, name);
    if (value == nullptr) return;
    const bool on = reader_.flag(spec_, name, kSpec);
    if (value->is_bool()) part_.set(member, on);
  }

  void read_pattern() {
    const std::string_view pattern = reader_.text(spec_, "mtuIfacePattern", kSpec);
    if (pattern.empty()) return;
    if (is_pattern(pattern)) {
      part_.set(&NetworkSettings::mtu_interface_pattern, std::string(pattern));
    } else {
      reader_.invalid(kSpec.member("mtuIfacePattern"), json::string(pattern),
                      "must be a regular expression of at most 256 characters");
    }
  }
  static bool is_pattern(std::string_view text) {
    if (text.size() > kMostPattern) return false;
    try {
      const std::regex parsed(text.begin(), text.end(), std::regex::ECMAScript);
      return true;
    } catch (const std::regex_error&) {
      return false;
    }
  }

  void read_exclusions() {
    const std::string_view text = reader_.text(spec_, "natOutgoingExclusions", kSpec);
    const std::string word = lower(text);
    if (word == "ippoolsonly" || word == "ippoolsandhostips") {
      part_.set(&NetworkSettings::nat_excludes_hosts, word == "ippoolsandhostips");
    } else if (!word.empty()) {
      reader_.invalid(kSpec.member("natOutgoingExclusions"), json::string(text),
                      "must be one of \"IPPoolsOnly\", \"IPPoolsAndHostIPs\"");
    }
  }

  // "FIRST:LAST", one port, or 0 for none.
  void read_ports() {
    const json::value* value = kube::member(spec_, "natPortRange");
    if (value == nullptr) return;
    std::string text;
    if (const json::string* string = value->if_string())
      text.assign(string->data(), string->size());
    if (value->is_int64()) text = std::to_string(value->get_int64());
    if (value->is_string() && text.empty()) return;
    const std::vector<std::string_view> ends = split(text, ':');
    const auto first = parse_decimal(ends.front(), 65535);
    const auto last = parse_decimal(ends.back(), 65535);
    const bool none = ends.size() == 1 && first == 0U;
    if (ends.size() > 2 || !first || !last || *first > *last || (*first == 0 && !none)) {
      reader_.invalid(kSpec.member("natPortRange"), *value,
                      "must be a port between 1 and 65535, a range \"FIRST:LAST\" of them, or 0");
      return;
    }
    part_.set(&NetworkSettings::nat_first_port, static_cast<uint16_t>(*first));
    part_.set(&NetworkSettings::nat_last_port, static_cast<uint16_t>(*last));
  }

  const json::object& spec_;
  ObjectReader& reader_;
  NetworkSettingsPart part_;
};

}  // namespace

NetworkSettingsPart decode_network_settings(const json::object& spec, ObjectReader& reader) {
  return SettingsReader(spec, reader).read();
}

}  // namespace caracal::calico
