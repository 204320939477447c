#include "ipam/split.h"

#include <fmt/format.h>

#include <bit>
#include <memory>
#include <optional>

#include "base/strings.h"
#include "ipam/block_order.h"

namespace caracal::ipam {

namespace {

struct Split : std::enable_shared_from_this<Split> {
  Split(Datastore& d, SplitRequest r, std::function<void(Result<SplitReport>)> f)
      : datastore(d), request(std::move(r)), done(std::move(f)) {}

  Datastore& datastore;
  SplitRequest request;
  std::function<void(Result<SplitReport>)> done;
  Kind kind = Kind::kPool;  // in which API the pool is
  json::value pool;
  std::vector<net::Cidr> ranges;
  SplitReport report;

  void check_locked(Kind where) {
    datastore.get(where, "default", [self = shared_from_this(), where](Result<json::value> object) {
      const bool absent = !object && (object.error().code == Errc::kNotFound ||
                                      object.error().code == Errc::kUnsupported);
      if (!object && !absent) return self->done(fail(object.error()));
      const bool locked = object && jsonio::get(*object, {"spec", "datastoreReady"}) != nullptr &&
                          !jsonio::get_bool(*object, {"spec", "datastoreReady"}, true);
      if (locked) return self->find(Kind::kPool);
      if (where == Kind::kClusterInformation)
        return self->check_locked(Kind::kShownClusterInformation);
      self->done(
          fail(Errc::kConflict,
               "the cluster is not locked: spec.datastoreReady of ClusterInformation default "
               "must be false while a pool is split, so that no addresses are given out"));
    });
  }

  void find(Kind where) {
    datastore.list(
        where, {}, [self = shared_from_this(), where](Result<std::vector<json::value>> objects) {
          const bool absent = !objects && (objects.error().code == Errc::kUnsupported ||
                                           objects.error().code == Errc::kNotFound);
          if (!objects && !absent) return self->done(fail(objects.error()));
          const std::string& wanted = self->request.pool;
          std::vector<std::string> names;
          if (objects) {
            for (json::value& object : *objects) {
              const std::string name(jsonio::get_string(object, {"metadata", "name"}));
              names.push_back(name);
              if (name != wanted && jsonio::get_string(object, {"spec", "cidr"}) != wanted)
                continue;
              self->kind = where;
              self->pool = std::move(object);
              return self->prepare();
            }
          }
          if (where == Kind::kPool) return self->find(Kind::kShownPool);
          self->done(fail(
              Errc::kNotFound,
              fmt::format("IPPool \"{}\" does not exist: must be the name or CIDR of one of {}",
                          wanted, names.empty() ? "(none)" : join(names, ", "))));
        });
  }

  void prepare() {
    report.pool = jsonio::get_string(pool, {"metadata", "name"});
    const auto text = jsonio::get_string(pool, {"spec", "cidr"});
    const auto cidr = net::Cidr::parse(text);
    if (!cidr) {
      return done(fail(Errc::kInvalid,
                       fmt::format("IPPool {}: spec.cidr: {}", report.pool, cidr.error().message)));
    }
    report.cidr = *cidr;
    const int usual = cidr->family() == net::Family::kIPv4 ? 26 : 122;
    const auto block_bits = static_cast<int>(jsonio::get_int(pool, {"spec", "blockSize"}, usual));
    auto parts = split_cidr(*cidr, block_bits, request.parts);
    if (!parts) return done(fail(parts.error().within(fmt::format("IPPool {}", report.pool))));
    ranges = std::move(*parts);
    if (jsonio::get_bool(pool, {"spec", "disabled"})) return make(0);
    json::value disabled = pool;
    jsonio::ensure(disabled, {"spec", "disabled"}) = true;
    datastore.update(kind, std::move(disabled),
                     [self = shared_from_this()](Result<json::value> written) {
                       if (!written) return self->done(fail(written.error()));
                       self->pool = std::move(*written);
                       self->make(0);
                     });
  }

  std::string part_name(size_t index) const {
    const std::string tail = fmt::format("-{}", index);
    // Names have at most 253 characters.
    return fmt::format("split-{}{}", report.pool.substr(0, 253 - 6 - tail.size()), tail);
  }

  void make(size_t index) {
    if (index == ranges.size()) return remove();
    json::value part = json::object();
    json::object metadata{{"name", part_name(index)}};
    for (const char* field : {"labels", "annotations"}) {
      if (const json::value* kept = jsonio::get(pool, {"metadata", field})) metadata[field] = *kept;
    }
    part.get_object()["metadata"] = std::move(metadata);
    json::value spec = jsonio::get_object(pool, {"spec"});
    spec.get_object()["cidr"] = ranges[index].to_string();
    spec.get_object()["disabled"] = false;
    part.get_object()["spec"] = std::move(spec);
    report.made.emplace_back(part_name(index), ranges[index]);
    datastore.create(kind, std::move(part),
                     [self = shared_from_this(), index](Result<json::value> made) {
                       if (!made && made.error().code == Errc::kExists) return self->verify(index);
                       if (!made) return self->done(fail(made.error()));
                       self->make(index + 1);
                     });
  }

  // Of a run that was cut off, or another's that only has the name.
  void verify(size_t index) {
    datastore.get(
        kind, part_name(index), [self = shared_from_this(), index](Result<json::value> found) {
          if (!found) return self->done(fail(found.error()));
          const auto cidr = jsonio::get_string(*found, {"spec", "cidr"});
          if (cidr != self->ranges[index].to_string()) {
            return self->done(
                fail(Errc::kExists,
                     fmt::format("IPPool {} exists with CIDR {}, and should be made with {}",
                                 self->part_name(index), cidr, self->ranges[index].to_string())));
          }
          self->make(index + 1);
        });
  }

  void remove() {
    const std::string uid(jsonio::get_string(pool, {"metadata", "uid"}));
    datastore.remove(kind, report.pool, {uid, ""},
                     [self = shared_from_this()](const Status& removed) {
                       if (!removed && removed.error().code != Errc::kNotFound)
                         return self->done(fail(removed.error()));
                       self->done(std::move(self->report));
                     });
  }
};

struct SetReady : std::enable_shared_from_this<SetReady> {
  SetReady(Datastore& d, bool r, std::function<void(Status)> f)
      : datastore(d), ready(r), done(std::move(f)) {}
  Datastore& datastore;
  bool ready;
  std::function<void(Status)> done;

  void look(Kind kind) {
    datastore.get(kind, "default", [self = shared_from_this(), kind](Result<json::value> object) {
      if (object) return self->write(kind, std::move(*object));
      const Errc code = object.error().code;
      if (code != Errc::kNotFound && code != Errc::kUnsupported)
        return self->done(fail(object.error()));
      if (kind == Kind::kClusterInformation) return self->look(Kind::kShownClusterInformation);
      self->datastore.create(Kind::kClusterInformation,
                             json::object{{"metadata", {{"name", "default"}}},
                                          {"spec", {{"datastoreReady", self->ready}}}},
                             [self](const Result<json::value>& made) {
                               self->done(made ? Status() : Status(fail(made.error())));
                             });
    });
  }

  void write(Kind kind, json::value object) {
    if (!jsonio::ensure(object, {"spec"}).is_object())
      jsonio::ensure(object, {"spec"}) = json::object();
    jsonio::ensure(object, {"spec", "datastoreReady"}) = ready;
    datastore.update(kind, std::move(object),
                     [self = shared_from_this(), kind](const Result<json::value>& written) {
                       if (!written && written.error().code == Errc::kConflict)
                         return self->look(kind);
                       self->done(written ? Status() : Status(fail(written.error())));
                     });
  }
};

}  // namespace

Result<std::vector<net::Cidr>> split_cidr(const net::Cidr& cidr, int block_bits, uint32_t parts) {
  if (parts < 2 || parts > 65536 || !std::has_single_bit(parts)) {
    return fail(Errc::kInvalid,
                fmt::format("parts: {}: must be a power of two from 2 to 65536", parts));
  }
  const int bits = cidr.bits() + std::countr_zero(parts);
  if (bits > block_bits || bits > net::address_bits(cidr.family())) {
    return fail(
        Errc::kInvalid,
        fmt::format("parts: {}: parts of {} would be smaller than its blocks (/{}): must be at "
                    "most {}",
                    parts, cidr.to_string(), block_bits,
                    uint64_t{1} << std::max(0, std::min(16, block_bits - cidr.bits()))));
  }
  std::vector<net::Cidr> out;
  for (uint32_t i = 0; i < parts; ++i) out.push_back(nth_block(cidr, bits, i));
  return out;
}

void split_pool(Datastore& datastore, SplitRequest request,
                std::function<void(Result<SplitReport>)> done) {
  std::make_shared<Split>(datastore, std::move(request), std::move(done))
      ->check_locked(Kind::kClusterInformation);
}

void set_datastore_ready(Datastore& datastore, bool ready, std::function<void(Status)> done) {
  std::make_shared<SetReady>(datastore, ready, std::move(done))->look(Kind::kClusterInformation);
}

}  // namespace caracal::ipam
