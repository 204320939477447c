#include "apimachinery/jsonpath.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

const json::value& world() {
  static const json::value kWorld = jsonio::parse(R"({
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "shop"}},
    "spec": {"ports": [{"name": "http", "port": 80}, {"name": "dns", "port": 53}, {"port": 443}],
             "nested": {"a": {"name": "x"}, "b": [{"name": "y"}]}, "empty": []},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Done", "status": "False"}],
               "ok": true}
  })")
                                        .value();
  return kWorld;
}

// What the path finds, as one JSON array.
std::string found(std::string_view text) {
  const Result<JsonPath> path = JsonPath::parse(text);
  if (!path) return "error: " + path.error().message;
  json::array out;
  for (const json::value* value : path->find(world())) out.push_back(*value);
  return jsonio::to_string(out);
}

TEST(JsonPath, Finds) {
  const std::pair<const char*, const char*> cases[] = {
      {".metadata.name", R"(["web"])"},
      {"{.metadata.name}", R"(["web"])"},
      {"$.metadata.name", R"(["web"])"},
      {R"(.metadata.labels.app\.kubernetes\.io/name)", R"(["shop"])"},
      {".metadata.labels['app.kubernetes.io/name']", R"(["shop"])"},
      {".spec.ports[0].port", "[80]"},
      {".spec.ports[-1].port", "[443]"},
      {".spec.ports[7].port", "[]"},
      {".spec.ports[*].port", "[80,53,443]"},
      {".spec.ports[1:].port", "[53,443]"},
      {".spec.ports[:2].port", "[80,53]"},
      {".spec.ports[0:3:2].port", "[80,443]"},
      {".spec.ports[*].name", R"(["http","dns"])"},
      {R"(.status.conditions[?(@.type=="Ready")].status)", R"(["True"])"},
      {R"(.status.conditions[?(@.type == 'Done')].status)", R"(["False"])"},
      {".spec.ports[?(@.port > 60)].port", "[80,443]"},
      {".spec.ports[?(@.port <= 53)].port", "[53]"},
      {".spec.ports[?(@.port != 80)].port", "[53,443]"},
      {".spec.ports[?(@.name)].port", "[80,53]"},
      {".spec.nested.*.name", R"(["x"])"},
      {".spec.nested..name", R"(["x","y"])"},
      {".status.ok", "[true]"},
      {".spec.missing.deeper", "[]"},
      {".spec.empty[*]", "[]"},
      {".metadata.name.more", "[]"},
  };
  for (const auto& [path, values] : cases) EXPECT_EQ(found(path), values) << path;
}

TEST(JsonPath, RefusesAndSaysWhere) {
  EXPECT_EQ(found(".spec.ports[x]"),
            "error: JSONPath \".spec.ports[x]\" at position 13: an index, a slice, '*', a quoted "
            "name or a "
            "filter must follow the '['");
  for (const char* bad :
       {"..", ".a..", ".a[", ".a[0", ".a['x", ".a[?(@.b=='c']", ".a[?(b)]", ".a[?(@.b=c)]", "{.a",
        ".a}", "a", ".a[0:1:0]", ".a[?(@.b==[1])]", "..a..b", ".a[99999999999999999999]"}) {
    EXPECT_THAT(found(bad), HasSubstr("error: JSONPath")) << bad;
  }
}

}  // namespace
}  // namespace caracal::apimachinery
