#include "ipam/block_return.h"

#include <fmt/format.h>

#include <memory>

#include "ipam/block_json.h"

namespace caracal::ipam {

namespace {

struct Return : std::enable_shared_from_this<Return> {
  Return(Datastore& d, BlockReturnRequest r, std::function<void(Result<uint32_t>)> f)
      : datastore(d), request(std::move(r)), done(std::move(f)) {}

  Datastore& datastore;
  BlockReturnRequest request;
  std::function<void(Result<uint32_t>)> done;
  std::optional<StoredBlock> block;
  std::optional<StoredAffinity> affinity;
  ClaimState before = ClaimState::kConfirmed;
  uint32_t writes = 0;

  std::string affinity_object() const { return affinity_name(request.owner, request.block); }

  void begin() {
    datastore.get(Kind::kBlock, block_name(request.block),
                  [self = shared_from_this()](Result<json::value> object) {
                    self->got_block(std::move(object));
                  });
  }

  void got_block(Result<json::value> object) {
    if (!object && object.error().code != Errc::kNotFound) return done(fail(object.error()));
    if (object) {
      auto decoded = decode_block(std::move(*object));
      if (!decoded) return done(fail(decoded.error()));
      const Block& value = decoded->value;
      const auto refuse = [&](std::string_view why) {
        done(fail(Errc::kConflict,
                  fmt::format("block {} stays: {}", request.block.to_string(), why)));
      };
      if (value.affinity() && *value.affinity() != request.owner) {
        return refuse(fmt::format("it belongs to {}", value.affinity()->to_string()));
      }
      if (request.sequence && value.sequence() != *request.sequence)
        return refuse("it has been written meanwhile");
      if (request.only_empty && !value.empty()) return refuse("it is not empty");
      block = std::move(*decoded);
    }
    if (request.owner.name.empty()) return take_block();
    datastore.get(Kind::kAffinity, affinity_object(),
                  [self = shared_from_this()](Result<json::value> found) {
                    self->got_affinity(std::move(found));
                  });
  }

  void got_affinity(Result<json::value> object) {
    if (!object && object.error().code != Errc::kNotFound) return done(fail(object.error()));
    if (!object) return take_block();
    auto decoded = decode_affinity(std::move(*object));
    if (!decoded) return done(fail(decoded.error()));
    affinity = std::move(*decoded);
    before = affinity->value.state;
    if (!block || before == ClaimState::kPendingDeletion) return take_block();
    affinity->value.state = ClaimState::kPendingDeletion;
    ++writes;
    datastore.update(Kind::kAffinity, encode(*affinity),
                     [self = shared_from_this()](Result<json::value> written) {
                       if (!written) return self->done(fail(written.error()));
                       auto stored = decode_affinity(std::move(*written));
                       if (!stored) return self->done(fail(stored.error()));
                       self->affinity = std::move(*stored);
                       self->take_block();
                     });
  }

  void take_block() {
    if (!block) return remove_affinity();
    ++writes;
    if (block->value.empty()) {
      datastore.remove(Kind::kBlock, block->name(), {block->uid(), block->resource_version()},
                       [self = shared_from_this()](const Status& removed) {
                         if (!removed && removed.error().code != Errc::kNotFound)
                           return self->restore(removed.error());
                         self->remove_affinity();
                       });
      return;
    }
    block->value.set_affinity(std::nullopt, std::nullopt);
    block->value.next_sequence();
    datastore.update(Kind::kBlock, encode(*block),
                     [self = shared_from_this()](const Result<json::value>& written) {
                       if (!written) return self->restore(written.error());
                       self->remove_affinity();
                     });
  }

  void remove_affinity() {
    if (!affinity) return done(writes);
    ++writes;
    datastore.remove(Kind::kAffinity, affinity->name(),
                     {affinity->uid(), affinity->resource_version()},
                     [self = shared_from_this()](const Status& removed) {
                       if (!removed && removed.error().code != Errc::kNotFound)
                         return self->done(fail(removed.error()));
                       self->done(self->writes);
                     });
  }

  // Somebody was quicker: the claim stands. When the answer is missing nobody knows; Collector and
  // the next start of the owner look at what became of the block.
  void restore(const Error& why) {
    if (why.code != Errc::kConflict || !affinity) return done(fail(why));
    affinity->value.state = before;
    ++writes;
    datastore.update(
        Kind::kAffinity, encode(*affinity),
        [self = shared_from_this(), why](const Result<json::value>&) { self->done(fail(why)); });
  }
};

}  // namespace

void return_block(Datastore& datastore, BlockReturnRequest request,
                  std::function<void(Result<uint32_t>)> done) {
  std::make_shared<Return>(datastore, std::move(request), std::move(done))->begin();
}

}  // namespace caracal::ipam
