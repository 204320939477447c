#include "bgp/testing/objects.h"

#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/subprocess.h"

namespace caracal::bgp::testing {
namespace {

template <typename T>
T need(Result<T> value) {
  CARACAL_CHECK(value.has_value());
  return std::move(*value);
}

}  // namespace

net::IpAddr address(const std::string& text) { return need(net::IpAddr::parse(text)); }
net::Cidr cidr(const std::string& text) { return need(net::Cidr::parse(text)); }
selector::Selector labels(const std::string& expression) {
  return need(selector::Selector::parse_expression(expression));
}

model::NodeNetwork node(const std::string& name, const std::vector<std::string>& addresses,
                        model::Labels labels) {
  model::NodeNetwork out;
  out.name = name;
  out.labels = std::move(labels);
  for (const std::string& text : addresses) {
    const size_t slash = text.find('/');
    const model::NodeAddress own{address(text.substr(0, slash)), std::stoi(text.substr(slash + 1))};
    (own.address.is_v4() ? out.v4 : out.v6).address = own;
  }
  return out;
}

model::IpPool pool(const std::string& range, model::Encapsulation encapsulation) {
  model::IpPool out;
  out.name = range;
  out.cidr = cidr(range);
  out.block_bits = out.cidr.family() == net::Family::kIPv4 ? 26 : 122;
  out.encapsulation = encapsulation;
  return out;
}

model::BgpPeer peer(const std::string& name) {
  model::BgpPeer out;
  out.name = name;
  return out;
}

model::BgpFilterRule rule(const std::string& range, bool accept) {
  model::BgpFilterRule out;
  out.prefix = {.cidr = cidr(range),
                .op = model::BgpFilterRule::Operator::kIn,
                .min_length = {},
                .max_length = {}};
  out.accept = accept;
  return out;
}

model::NetworkUpdate update(const model::NodeNetwork& value) {
  return model::NodeNetworkUpdate{value.name, value};
}
model::NetworkUpdate update(const model::IpPool& value) {
  return model::IpPoolUpdate{value.name, value};
}
model::NetworkUpdate update(const model::BgpConfiguration& value) {
  return model::BgpConfigurationUpdate{value.name, value};
}
model::NetworkUpdate update(const model::BgpPeer& value) {
  return model::BgpPeerUpdate{value.name, value};
}
model::NetworkUpdate update(const model::BgpFilter& value) {
  return model::BgpFilterUpdate{value.name, value};
}
model::NetworkUpdate update(const model::Service& value) {
  return model::ServiceUpdate{value.name, value};
}
model::NetworkUpdate block(const std::string& range, const std::string& node) {
  return model::AddressBlockUpdate{cidr(range), model::AddressBlock{cidr(range), node, {}}};
}

const Session* find(const Config& config, const std::string& name) {
  for (const Session& session : config.sessions) {
    if (session.name == name) return &session;
  }
  return nullptr;
}

std::string bird_check(const std::string& text) {
  char path[] = "/tmp/caracal-bird-XXXXXX";
  const int fd = ::mkstemp(path);
  CARACAL_CHECK(fd >= 0);
  ::close(fd);
  std::string said;
  if (const auto written = write_file_atomic(path, text); !written) {
    said = written.error().message;
  } else {
    Command bird;
    bird.argv = {"bird", "-p", "-c", path};
    const auto output = run(bird);
    if (!output)
      said = output.error().message;
    else if (output->exit_code != 0)
      said = output->err;
  }
  ::unlink(path);
  return said;
}

}  // namespace caracal::bgp::testing
