#include "ipam/datastore.h"

namespace caracal::ipam {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kBlock:
      return "IPAMBlock";
    case Kind::kAffinity:
      return "BlockAffinity";
    case Kind::kHandle:
      return "IPAMHandle";
    case Kind::kPool:
    case Kind::kShownPool:
      return "IPPool";
    case Kind::kClusterInformation:
    case Kind::kShownClusterInformation:
      return "ClusterInformation";
  }
  return "";
}

bool outcome_unknown(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kTimeout || code == Errc::kInternal ||
         code == Errc::kKernel;
}

}  // namespace caracal::ipam
