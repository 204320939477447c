// FieldPath: where in an object something is, as errors of the API write it
// ("spec.ingress[0].ports[1].port"). A chain of steps on the stack that becomes text only when
// there is an error. A step must not outlive its parent.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace caracal::kube {

class FieldPath {
 public:
  // An empty root is the object itself: its members are called by their names alone.
  constexpr explicit FieldPath(std::string_view root) : name_(root) {}
  FieldPath member(std::string_view name) const { return FieldPath(this, name, kNoIndex); }
  FieldPath element(size_t index) const { return FieldPath(this, {}, index); }

  std::string to_string() const {
    if (parent_ == nullptr) return std::string(name_);
    if (index_ != kNoIndex) return parent_->to_string() + "[" + std::to_string(index_) + "]";
    const std::string above = parent_->to_string();
    return above.empty() ? std::string(name_) : above + "." + std::string(name_);
  }

 private:
  static constexpr size_t kNoIndex = static_cast<size_t>(-1);
  constexpr FieldPath(const FieldPath* parent, std::string_view name, size_t index)
      : parent_(parent), name_(name), index_(index) {}

  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  size_t index_ = kNoIndex;
};

}  // namespace caracal::kube
