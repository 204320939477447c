// PoolAddresses: addresses from the cluster's IP pools, by way of ipam::AddressClaims.
//
// On the calculation loop. The datastore says which node's handle has an address, the LeaseBook
// which container's; an address goes into the datastore first and out of it last, so whatever ends
// when, an address is never free for others while a container may have it.
#pragma once

#include <map>
#include <string>

#include "agent/address_source.h"
#include "agent/address_wishes.h"
#include "agent/options.h"
#include "agent/tunnel_addresses.h"
#include "ipam/address_claims.h"
#include "ipam/kube_datastore.h"
#include "kube/client.h"
#include "model/network_update.h"

namespace caracal::agent {

class PoolAddresses : public AddressSource, public TunnelAddressSource {
 public:
  PoolAddresses(event::Loop& loop, kube::Client& client, const Options& options,
                ipam::LeaseBook& leases, const AddressWishes& wishes);

  void update(const model::NetworkUpdate& update);
  void set_synced() { claims_.in_sync(); }

  void reserve(const AddressRequest& request, OnLease done) override;
  void release(const ipam::AttachmentId& id, const std::string& network, OnReleased done) override;
  std::string not_ready_reason() const override;
  std::string exhausted() const override { return {}; }  // another block may be had; ADD tells
  json::object status() const override;

  void acquire_tunnel(const std::string& handle, const std::string& type, net::Family family,
                      OnAddress done) override;
  void release_tunnel(const std::string& handle, std::function<void(Status)> done) override;
  bool keeps_tunnel(const net::IpAddr& address) const override;

  const ipam::AddressClaims& claims() const { return claims_; }

 private:
  bool selects_this_node(const model::IpPool& pool) const;

  ipam::LoopSchedule schedule_;
  ipam::KubeDatastore datastore_;
  ipam::AddressClaims claims_;
  const Options& options_;
  ipam::LeaseBook& leases_;
  const AddressWishes& wishes_;
  std::map<std::string, model::IpPool> pools_;
  model::Labels node_labels_;
  bool datastore_ready_ = true;
};

}  // namespace caracal::agent
