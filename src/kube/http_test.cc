#include "kube/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <utility>

#include "kube/list_splitter.h"
#include "kube/scratch_parser.h"

namespace caracal::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string status_json(int code, const std::string& reason, const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":")" + message +
         R"(","reason":")" + reason + R"(","code":)" + std::to_string(code) + "}";
}

TEST(ApiErrorTest, MapsStatusAndReasonToCodes) {
  const struct {
    int status;
    const char* reason;
    Errc code;
  } kCases[] = {
      {400, "BadRequest", Errc::kInvalid},
      {401, "Unauthorized", Errc::kPermission},
      {403, "Forbidden", Errc::kPermission},
      {404, "NotFound", Errc::kNotFound},
      {405, "MethodNotAllowed", Errc::kInvalid},
      {408, "Timeout", Errc::kTimeout},
      {409, "Conflict", Errc::kConflict},
      {409, "AlreadyExists", Errc::kExists},
      {410, "Expired", Errc::kExpired},
      {410, "Gone", Errc::kExpired},
      {415, "UnsupportedMediaType", Errc::kInvalid},
      {422, "Invalid", Errc::kInvalid},
      {429, "TooManyRequests", Errc::kUnavailable},
      {500, "InternalError", Errc::kUnavailable},
      {501, "", Errc::kUnsupported},
      {503, "ServiceUnavailable", Errc::kUnavailable},
      {504, "Timeout", Errc::kTimeout},
  };
  for (const auto& c : kCases) {
    const Error error = api_error(c.status, status_json(c.status, c.reason, "the text"));
    EXPECT_EQ(error.code, c.code) << c.status << " " << c.reason;
    EXPECT_EQ(error.message, "the text (HTTP " + std::to_string(c.status) + ")");
    EXPECT_EQ(api_error_of_status(status_json(c.status, c.reason, "the text")).code, c.code);
  }
}

TEST(ApiErrorTest, ABodyThatIsNoStatusIsQuotedAndShortened) {
  EXPECT_EQ(api_error(502, " bad gateway\n").message, "bad gateway (HTTP 502)");
  EXPECT_EQ(api_error(503, "").message, "HTTP 503");
  EXPECT_LT(api_error(500, std::string(5000, 'x')).message.size(), 300u);
  EXPECT_EQ(api_error_of_status("{not json").message, "{not json");
}

TEST(ApiErrorTest, AResourceVersionFromTheFutureCountsAsExpired) {
  const std::string body =
      R"({"kind":"Status","message":"Too large resource version: 9, current: 3","reason":"Timeout",
          "code":504,"details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}})";
  EXPECT_EQ(api_error(504, body).code, Errc::kExpired);
}

TEST(UrlTest, EscapesTheQuery) {
  EXPECT_EQ(make_url("https://h:6443/", "/api/v1/pods", {{"labelSelector", "a in (b,c),x=y&z"}}),
            "https://h:6443/api/v1/pods?labelSelector=a%20in%20%28b,c%29,x%3Dy%26z");
  EXPECT_EQ(make_url("http://h", "/x", {{"a", "1"}, {"b", "\xc3\xa9"}}), "http://h/x?a=1&b=%C3%A9");
}

TEST(UrlTest, ResourcePaths) {
  EXPECT_EQ(resource_path("v1", "", "pods"), "/api/v1/pods");
  EXPECT_EQ(resource_path("v1", "dev", "pods", "pod1"), "/api/v1/namespaces/dev/pods/pod1");
  EXPECT_EQ(resource_path("networking.k8s.io/v1", "dev", "networkpolicies", "web"),
            "/apis/networking.k8s.io/v1/namespaces/dev/networkpolicies/web");
  EXPECT_EQ(resource_path("v1", "", "nodes", "a b"), "/api/v1/nodes/a%20b");
}

struct Split {
  std::vector<std::string> items;
  Result<json::value> rest = fail(Errc::kInternal, "not finished");
};

// Feeds the text in pieces of the given size.
Split split_list(std::string_view text, size_t size) {
  Split result;
  ListSplitter splitter;
  while (!text.empty()) {
    EXPECT_TRUE(splitter.feed(text.substr(0, size), [&](std::string_view item) {
      result.items.emplace_back(item);
      return true;
    }));
    text.remove_prefix(std::min(size, text.size()));
  }
  result.rest = splitter.finish();
  return result;
}

TEST(ListSplitterTest, GivesEachItemWhereverThePiecesAreCut) {
  const std::string text =
      R"( {"kind":"List", "x":{"items":[{"no":1}]}, "items" : [ {"a":"]}\"{[\\"},
      {"b":[{"c":{}}]} ,{}], "metadata":{"resourceVersion":"7","continue":"n\"x"}} )";
  for (size_t size = 1; size <= text.size(); ++size) {
    const Split split = split_list(text, size);
    EXPECT_THAT(split.items, ElementsAre(R"({"a":"]}\"{[\\"})", R"({"b":[{"c":{}}]})", "{}"));
    ASSERT_TRUE(split.rest.has_value()) << split.rest.error().message;
    EXPECT_EQ(jsonio::get_string(*split.rest, {"metadata", "continue"}), "n\"x");
    EXPECT_EQ(jsonio::get_array(*split.rest, {"x", "items"}).size(), 1u);
    EXPECT_EQ(jsonio::get_array(*split.rest, {"items"}).size(), 0u);
  }
}

// Byte by byte, as plainly as it can be said: where each item of `items` ends.
std::vector<std::string> items_of(std::string_view items) {
  std::vector<std::string> out;
  int depth = 0;
  bool in_string = false, escaped = false;
  std::string item;
  for (const char c : items) {
    if (depth == 0 && c != '{') continue;
    item += c;
    if (escaped) {
      escaped = false;
    } else if (in_string) {
      escaped = c == '\\';
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      out.push_back(std::exchange(item, {}));
    }
  }
  return out;
}

// Items are looked through in blocks: strings, escapes and brackets on either side of each border,
// with the text cut at every byte.
TEST(ListSplitterTest, FindsTheSameItemsByteByByte) {
  std::mt19937 random(7);
  const auto one_of = [&](std::string_view from) { return from[random() % from.size()]; };
  for (int round = 0; round < 60; ++round) {
    std::string items;
    for (int i = 0; i < 4; ++i) {
      if (i > 0) items += one_of(", ") == ',' ? "," : ",\n ";
      // Valid or not within: what counts is that brackets and quotes are even.
      std::string open;
      std::string item = "{";
      const size_t length = random() % 150;
      while (item.size() < length) {
        const char c = one_of("{[}]\"\"aaaaaaaa");
        if (c == '"') {
          item += '"';
          for (size_t n = random() % 90; n > 0; --n) {
            const char inner = one_of(round % 3 == 0 ? "abc{}[]" : "ab{}[]\\\\\\");
            item += inner;
            if (inner == '\\') item += one_of("\\\"n{}");
          }
          item += '"';
        } else if (c == '{' || c == '[') {
          open += c == '{' ? '}' : ']';
          item += c;
        } else if (c == '}' || c == ']') {
          if (open.empty()) continue;
          item += open.back();
          open.pop_back();
        } else {
          item += c;
        }
      }
      items += item + std::string(open.rbegin(), open.rend()) + "}";
    }
    const std::vector<std::string> expected = items_of(items);
    ASSERT_EQ(expected.size(), 4u);
    const std::string text = R"({"items":[)" + items + R"(],"metadata":{}})";
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      std::vector<std::string> found;
      ListSplitter splitter;
      for (const std::string_view piece :
           {std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)}) {
        EXPECT_TRUE(splitter.feed(piece, [&](std::string_view item) {
          found.emplace_back(item);
          return true;
        }));
      }
      ASSERT_EQ(found, expected) << "cut at " << cut << " of " << text;
      EXPECT_TRUE(splitter.finish().has_value());
    }
    for (size_t size = 1; size <= 130; ++size)
      ASSERT_EQ(split_list(text, size).items, expected) << "pieces of " << size << " of " << text;
  }
}

TEST(ListSplitterTest, ItemsBeforeOrWithoutMetadataAndNull) {
  EXPECT_THAT(split_list(R"({"items":[{"n":1}],"metadata":{}})", 100).items,
              ElementsAre(R"({"n":1})"));
  EXPECT_TRUE(split_list(R"({"metadata":{},"items":null})", 100).rest.has_value());
  EXPECT_TRUE(split_list(R"({"metadata":{},"items":[]})", 3).rest.has_value());
}

TEST(ListSplitterTest, RefusesWhatIsNoListOrEndsEarly) {
  for (const char* text : {"", "[]", "7", R"({"items":[{"a":1})", R"({"items":[{"a":)",
                           R"({"items":[1]})", R"({"items":[)", R"({"metadata":{)", "<html>"}) {
    EXPECT_FALSE(split_list(text, 4).rest.has_value()) << text;
  }
}

TEST(ListSplitterTest, StopsWhenToldTo) {
  ListSplitter splitter;
  int count = 0;
  EXPECT_FALSE(
      splitter.feed(R"({"items":[{},{},{}]})", [&](std::string_view) { return ++count < 2; }));
  EXPECT_EQ(count, 2);
}

TEST(ScratchParserTest, ParsesOneTextAfterAnother) {
  ScratchParser parser;
  for (int i = 0; i < 100; ++i) {
    const std::string large(static_cast<size_t>(i) * 1000, 'x');
    const auto value = parser.parse(R"({"n":)" + std::to_string(i) + R"(,"t":")" + large + "\"}");
    ASSERT_TRUE(value.has_value());
    EXPECT_EQ(jsonio::get_int(**value, {"n"}), i);
    EXPECT_EQ(jsonio::get_string(**value, {"t"}), large);
    EXPECT_FALSE(parser.parse("{\"a\":").has_value());
    EXPECT_FALSE(parser.parse("{} x").has_value());
  }
}

}  // namespace
}  // namespace caracal::kube
