#include "flowlog/file_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file.h"

namespace caracal::flowlog {

Result<FileSink> FileSink::open(FileSinkOptions options) {
  if (options.files == 0) options.files = 1;
  const std::string folder = std::filesystem::path(options.path).parent_path().string();
  if (!folder.empty()) CARACAL_TRY(make_directories(folder));
  FileSink sink(std::move(options));
  CARACAL_TRY(sink.open_file());
  return sink;
}

Status FileSink::open_file() {
  fd_.reset(::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd_) return fail_errno(errno, "open " + options_.path);
  struct stat status {};
  size_ = ::fstat(fd_.get(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  return {};
}

Status FileSink::rotate() {
  fd_.reset();
  const auto name = [&](uint32_t age) {
    return age == 0 ? options_.path : fmt::format("{}.{}", options_.path, age);
  };
  if (options_.files == 1) {
    if (::unlink(options_.path.c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, "unlink " + options_.path);
  }
  for (uint32_t age = options_.files - 1; age > 0; --age) {
    if (std::rename(name(age - 1).c_str(), name(age).c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, "rename " + name(age - 1));
  }
  return open_file();
}

Status FileSink::write(std::string_view lines) {
  if (!fd_) CARACAL_TRY(open_file());
  if (size_ != 0 && size_ + lines.size() > options_.max_bytes) CARACAL_TRY(rotate());
  while (!lines.empty()) {
    const ssize_t n = ::write(fd_.get(), lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "write " + options_.path);
    size_ += static_cast<uint64_t>(n);
    lines.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace caracal::flowlog
