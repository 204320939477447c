#include "flowlog/file_sink.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace caracal::flowlog {
namespace {

namespace fs = std::filesystem;

class FileSinkTest : public ::testing::Test {
 protected:
  FileSinkTest()
      : folder_(fs::temp_directory_path() / ("caracal-sink-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
  }
  ~FileSinkTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& end = {}) const {
    return (folder_ / "sub" / "flows.log").string() + end;
  }
  fs::path folder_;
};

TEST_F(FileSinkTest, StartsANewFileWhenOneIsFull) {
  auto sink = FileSink::open({.path = path(), .max_bytes = 20, .files = 3});
  ASSERT_TRUE(sink) << sink.error().message;
  for (const char* line : {"line one\n", "line two\n", "line three\n", "line four\n", "5\n"})
    ASSERT_TRUE(sink->write(line));
  EXPECT_EQ(*read_file(path()), "line four\n5\n");
  EXPECT_EQ(*read_file(path(".1")), "line three\n");
  EXPECT_EQ(*read_file(path(".2")), "line one\nline two\n");
  ASSERT_TRUE(sink->write("a line longer than a file\n"));
  EXPECT_EQ(*read_file(path()), "a line longer than a file\n");
  EXPECT_EQ(*read_file(path(".2")), "line three\n");
  EXPECT_FALSE(fs::exists(path(".3")));
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(FileSinkTest, GoesOnWithAFileThatIsThere) {
  {
    auto sink = FileSink::open({.path = path(), .max_bytes = 12, .files = 1});
    ASSERT_TRUE(sink);
    ASSERT_TRUE(sink->write("before\n"));
  }
  auto sink = FileSink::open({.path = path(), .max_bytes = 12, .files = 1});
  ASSERT_TRUE(sink);
  ASSERT_TRUE(sink->write("now\n"));
  EXPECT_EQ(*read_file(path()), "before\nnow\n");
  ASSERT_TRUE(sink->write("next\n"));
  EXPECT_EQ(*read_file(path()), "next\n") << "one file is kept: the full one goes";
}

TEST_F(FileSinkTest, SaysWhyItCannot) {
  fs::create_directories(path());
  const auto sink = FileSink::open({.path = path()});
  ASSERT_FALSE(sink);
  EXPECT_NE(sink.error().message.find(path()), std::string::npos);
}

}  // namespace
}  // namespace caracal::flowlog
