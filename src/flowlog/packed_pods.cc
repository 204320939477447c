#include "flowlog/packed_pods.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace caracal::flowlog {
namespace {

// Texts of one pod after each other, each behind its length and a colon.
void write(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  std::string_view text() {
    const size_t colon = in_.find(':');
    size_t size = 0;
    std::from_chars(in_.data(), in_.data() + colon, size);
    const std::string_view out = in_.substr(colon + 1, size);
    in_.remove_prefix(colon + 1 + size);
    return out;
  }
  template <typename Number>
  Number number() {
    const std::string_view digits = text();
    Number out = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return out;
  }

 private:
  std::string_view in_;
};

std::string pack(const model::Pod& pod) {
  std::string out;
  write(out, pod.service_account);
  write(out, std::to_string(pod.labels.size()));
  for (const auto& [key, value] : pod.labels) {
    write(out, key);
    write(out, value);
  }
  write(out, std::to_string(pod.ports.size()));
  for (const model::NamedPort& port : pod.ports) {
    write(out, port.name);
    write(out, std::to_string(port.protocol.number));
    write(out, std::to_string(port.port));
  }
  return out;
}

// REQUIRES: pack() made the text.
void unpack(std::string_view text, model::Pod& out) {
  Reader reader(text);
  out.service_account = reader.text();
  for (auto left = reader.number<size_t>(); left > 0; --left) {
    const std::string_view key = reader.text();
    out.labels.emplace_hint(out.labels.end(), key, reader.text());
  }
  for (auto left = reader.number<size_t>(); left > 0; --left) {
    model::NamedPort port;
    port.name = reader.text();
    port.protocol = {reader.number<uint8_t>()};
    port.port = reader.number<uint16_t>();
    out.ports.push_back(std::move(port));
  }
}

}  // namespace

void PackedPods::apply(const model::PodUpdate& update) {
  remove(update.key);
  if (!update.value) return;
  const model::Pod& pod = *update.value;
  Packed packed;
  packed.common = texts_.acquire(pack(pod));
  packed.node = texts_.acquire(pod.node);
  packed.addresses.assign(pod.addresses.begin(), pod.addresses.end());
  packed.host_network = pod.host_network;
  packed.finished = pod.finished;
  const auto it = pods_.emplace(update.key, std::move(packed)).first;
  for (const net::IpAddr& address : it->second.addresses) by_address_.emplace(address, &it->first);
}

void PackedPods::remove(const model::ObjectName& name) {
  const auto pod = pods_.find(name);
  if (pod == pods_.end()) return;
  for (const net::IpAddr& address : pod->second.addresses) {
    auto [it, end] = by_address_.equal_range(address);
    while (it != end) it = it->second == &pod->first ? by_address_.erase(it) : std::next(it);
  }
  texts_.release(pod->second.common);
  texts_.release(pod->second.node);
  pods_.erase(pod);
}

std::optional<model::Pod> PackedPods::find(const model::ObjectName& name) const {
  const auto it = pods_.find(name);
  if (it == pods_.end()) return std::nullopt;
  const Packed& packed = it->second;
  model::Pod out;
  out.name = it->first;
  unpack(*packed.common, out);
  out.node = *packed.node;
  out.addresses = packed.addresses;
  out.host_network = packed.host_network;
  out.finished = packed.finished;
  return out;
}

std::vector<const model::ObjectName*> PackedPods::at(const net::IpAddr& address) const {
  std::vector<const model::ObjectName*> out;
  const auto [begin, end] = by_address_.equal_range(address);
  for (auto it = begin; it != end; ++it) out.push_back(it->second);
  std::sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return *a < *b; });
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool PackedPods::networked(const model::ObjectName& name) const {
  const auto it = pods_.find(name);
  return it != pods_.end() && !it->second.host_network && !it->second.finished;
}

}  // namespace caracal::flowlog
