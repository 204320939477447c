#include "kube/scratch_parser.h"

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <optional>

namespace caracal::kube {

struct ScratchParser::Impl {
  // Holds most objects; a larger one takes more from the heap, given back with the next.
  std::array<unsigned char, size_t{32} * 1024> memory;
  std::array<unsigned char, size_t{8} * 1024> stack;
  // Made anew for each text: release() of 1.81 keeps doubling what it asks for next.
  std::optional<json::monotonic_resource> resource;
  json::parser parser{json::storage_ptr(), json::parse_options{.max_depth = 128}, stack.data(),
                      stack.size()};
  std::optional<json::value> value;  // destroyed before the memory it is in
};

ScratchParser::ScratchParser() : impl_(std::make_unique<Impl>()) {}
ScratchParser::~ScratchParser() = default;

Result<const json::value*> ScratchParser::parse(std::string_view text) {
  impl_->value.reset();
  impl_->parser.reset();
  impl_->resource.emplace(impl_->memory.data(), impl_->memory.size());
  impl_->parser.reset(&*impl_->resource);
  boost::system::error_code error;
  impl_->parser.write(text.data(), text.size(), error);
  if (error) return fail(Errc::kInvalid, "invalid JSON: " + error.message());
  impl_->value.emplace(impl_->parser.release());
  return &*impl_->value;
}

}  // namespace caracal::kube
