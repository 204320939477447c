#include "agent/wireguard_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"

namespace caracal::agent {
namespace {

class WireguardKeyTest : public ::testing::Test {
 protected:
  WireguardKeyTest() { std::filesystem::create_directories(folder_); }
  ~WireguardKeyTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_ = ::testing::TempDir() + "caracal-wg-" + std::to_string(::getpid());
  std::string path_ = folder_ + "/wireguard.key";
};

TEST_F(WireguardKeyTest, IsMadeOnceAndKept) {
  const auto first = load_wireguard_keys(path_);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->open.to_string().size(), 44U);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto second = load_wireguard_keys(path_);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->secret.to_string(), first->secret.to_string());
  EXPECT_EQ(second->open.to_string(), first->open.to_string());
}

// RFC 7748, section 6.1: Alice's keys.
TEST_F(WireguardKeyTest, ThePublicKeyIsTheOneOfTheRfc) {
  ASSERT_TRUE(write_file_atomic(path_, "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n", 0600));
  const auto key = load_wireguard_keys(path_);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->open.to_string(), "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
}

TEST_F(WireguardKeyTest, ADamagedFileIsRefusedAndStays) {
  ASSERT_TRUE(write_file_atomic(path_, "short=\n", 0600));
  const auto key = load_wireguard_keys(path_);
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().message.find(path_ + ""), std::string::npos);
  EXPECT_EQ(read_file(path_).value(), "short=\n");
}

}  // namespace
}  // namespace caracal::agent
