#include "rpc/message.h"

#include <gtest/gtest.h>

namespace caracal::rpc {
namespace {

TEST(Message, GoesAndComesBack) {
  const std::string line = encode(Request{"status", json::object{{"a", 1}}});
  EXPECT_EQ(line, "{\"method\":\"status\",\"params\":{\"a\":1}}\n");
  const auto request = decode_request(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "status");
  const auto reply = decode_reply(encode(failure(11, "later", "why")));
  ASSERT_TRUE(reply);
  EXPECT_EQ(*reply->error, (Failure{11, "later", "why"}));
  EXPECT_EQ(decode_reply(encode(success(json::object{})))->result, json::value(json::object{}));
}

TEST(Message, RefusesWhatIsNotOne) {
  for (const char* text : {"", "{", "[]", "{}", "{\"method\":\"\"}", "{\"method\":1}",
                           "{\"method\":\"x\",\"params\":3}"}) {
    EXPECT_FALSE(decode_request(text)) << text;
  }
  EXPECT_FALSE(decode_reply("{}"));
}

TEST(LineBuffer, CutsLinesWhereverTheBytesWereCut) {
  const std::string stream = "one\ntwo\n\nfour\n";
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    LineBuffer lines(10);
    std::vector<std::string> got;
    for (const std::string_view part :
         {std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)}) {
      ASSERT_TRUE(lines.append(part));
      while (auto line = lines.next()) got.push_back(*line);
    }
    EXPECT_EQ(got, (std::vector<std::string>{"one", "two", "", "four"}));
    EXPECT_TRUE(lines.empty());
  }
}

TEST(LineBuffer, RefusesALineThatGrowsTooLong) {
  LineBuffer lines(4);
  ASSERT_TRUE(lines.append("1234"));
  EXPECT_FALSE(lines.append("5"));
}

}  // namespace
}  // namespace caracal::rpc
