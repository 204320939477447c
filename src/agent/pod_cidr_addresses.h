// PodCidrAddresses: addresses from the node's own spec.podCIDRs, as the CNI plugin host-local gives
// them: nothing but the node knows of them, and nobody has to be asked.
//
// On the calculation loop, as AddressSource of CniService. The LeaseBook is the only record: an
// address is taken while it is there, whatever the API says.
#pragma once

#include "agent/address_source.h"
#include "agent/tunnel_addresses.h"
#include "model/node.h"

namespace caracal::agent {

class PodCidrAddresses : public AddressSource, public TunnelAddressSource {
 public:
  PodCidrAddresses(ipam::LeaseBook& leases, std::string node)
      : leases_(leases), node_(std::move(node)) {}

  // A changed set of pod CIDRs takes effect for the next pod; a bad one leaves the former in force.
  void use(const model::Node& node);

  void reserve(const AddressRequest& request, OnLease done) override;
  void release(const ipam::AttachmentId& id, const std::string& network, OnReleased done) override;
  std::string not_ready_reason() const override;
  std::string exhausted() const override;
  json::object status() const override;

  // The first address of the pod CIDR for VXLAN, the second for the others: no pod gets them.
  void acquire_tunnel(const std::string& handle, const std::string& type, net::Family family,
                      OnAddress done) override;
  void release_tunnel(const std::string& handle, std::function<void(Status)> done) override;
  bool keeps_tunnel(const net::IpAddr& address) const override;

 private:
  ipam::LeaseBook& leases_;
  std::string node_;
};

}  // namespace caracal::agent
