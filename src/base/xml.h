// Text for XML: SVG pictures, JUnit reports. Pure.
#pragma once

#include <string>
#include <string_view>

namespace caracal {

// `text` as the content of an element or of an attribute in double quotes. Control characters that
// XML 1.0 cannot hold (2.2: all below 0x20 but tab and line ends) are left out.
std::string xml_escape(std::string_view text);

}  // namespace caracal
