// IPPool, IPReservation, IPAMConfig (calico.md 2.9, 2.10) into the model, and what is wrong with
// them. Also the checks of the API server.
#pragma once

#include <optional>
#include <string>

#include "kube/object_reader.h"
#include "model/ip_pool.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Prefix lengths of blocks where a pool does not say another.
inline constexpr int kBlockBitsV4 = 26;
inline constexpr int kBlockBitsV6 = 122;

// Nothing: there is a problem, and the pool cannot be used as it stands. A pool that is being
// deleted counts as disabled. A pool for certain namespaces is not for tunnels, which have none.
std::optional<model::IpPool> decode_ip_pool(const std::string& name, const json::object& object,
                                            ObjectReader& reader);
// What may not change in the life of a pool.
void check_ip_pool_change(const json::object& object, const json::object& old,
                          ObjectReader& reader);

std::optional<model::IpReservation> decode_ip_reservation(const std::string& name,
                                                          const json::object& object,
                                                          ObjectReader& reader);
std::optional<model::IpamSettings> decode_ipam_settings(const json::object& object,
                                                        ObjectReader& reader);

}  // namespace caracal::calico
