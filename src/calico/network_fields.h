// Fields that the kinds of the pod network have in common: AS numbers, communities, times, secrets.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "kube/object_reader.h"
#include "model/bgp.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// The object's spec; an empty one when there is none (or it is no object, a problem).
const json::object& spec_of(const json::object& object, ObjectReader& reader);
// metadata.deletionTimestamp is set.
bool is_being_deleted(const json::object& object);
// Absent is a problem.
std::optional<net::Cidr> required_cidr(const json::object& parent, std::string_view name,
                                       const FieldPath& path, ObjectReader& reader);
// An address or CIDR whose host bits may be set: Calico takes 10.1.2.3/8 for 10.0.0.0/8 in network
// sets, reservations and failsafe ports. That is told as a warning.
std::optional<net::Cidr> network(std::string_view text, const FieldPath& path,
                                 ObjectReader& reader);
std::optional<net::IpAddr> address(const json::object& parent, std::string_view name,
                                   const FieldPath& path, ObjectReader& reader);

// 1 to 4294967295, as a number, as text, or as "HIGH.LOW" (RFC 5396, asdot).
std::optional<uint32_t> as_number(const json::object& parent, std::string_view name,
                                  const FieldPath& path, ObjectReader& reader);
std::optional<uint32_t> parse_as_number(std::string_view text);
// Of a list: AS numbers as numbers.
std::vector<uint32_t> as_path(const json::object& parent, std::string_view name,
                              const FieldPath& path, ObjectReader& reader);
// "aa:nn" (16 bits each) or "aa:nn:mm" (32 bits each).
std::optional<model::BgpCommunity> parse_community(std::string_view text);
inline constexpr std::string_view kCommunityForm =
    "must be a community AA:NN of two numbers up to 65535, or AA:NN:MM of three up to 4294967295";
// A Go duration ("90s", "1m30s") of whole seconds, rounded up.
std::optional<uint32_t> duration_seconds(const json::object& parent, std::string_view name,
                                         const FieldPath& path, ObjectReader& reader);
// {secretKeyRef: {name, key}}.
std::optional<model::SecretKey> secret_key(const json::object& parent, std::string_view name,
                                           const FieldPath& path, ObjectReader& reader);

}  // namespace caracal::calico
