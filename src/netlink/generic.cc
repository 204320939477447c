#include "netlink/generic.h"

#include <fmt/format.h>

#include "netlink/attributes.h"

namespace caracal::netlink {

Result<GenericFamily> find_generic_family(Socket& generic_socket, const std::string& name) {
  Message message(GENL_ID_CTRL, 0, generic_header(CTRL_CMD_GETFAMILY, 1));
  message.put_string(CTRL_ATTR_FAMILY_NAME, name);
  GenericFamily family;
  auto asked = generic_socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
    for (const Attribute& attribute : Attributes(answer, sizeof(genlmsghdr))) {
      if (attribute.type == CTRL_ATTR_FAMILY_ID) family.id = attribute.u16().value_or(0);
      if (attribute.type == CTRL_ATTR_VERSION) family.version = attribute.u32().value_or(0);
    }
    return {};
  });
  if (!asked && asked.error().code != Errc::kNotFound) return fail(std::move(asked).error());
  if (family.id == 0)
    return fail(Errc::kUnsupported, fmt::format("this kernel has no \"{}\"", name));
  return family;
}

}  // namespace caracal::netlink
