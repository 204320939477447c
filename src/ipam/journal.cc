#include "ipam/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

namespace caracal::ipam {
namespace {

std::string line_of(std::string_view record) {
  boost::crc_32_type crc;
  crc.process_bytes(record.data(), record.size());
  return fmt::format("{:08x} {}\n", crc.checksum(), record);
}

// The record of a line without its newline; nullopt when the line is not whole.
std::optional<std::string_view> record_of(std::string_view line) {
  if (line.size() < 10 || line[8] != ' ') return std::nullopt;
  const std::string_view record = line.substr(9);
  boost::crc_32_type crc;
  crc.process_bytes(record.data(), record.size());
  if (fmt::format("{:08x}", crc.checksum()) != line.substr(0, 8)) return std::nullopt;
  return record;
}

}  // namespace

Result<std::unique_ptr<FileJournal>> FileJournal::open(const std::string& path) {
  CARACAL_TRY(make_directories(std::filesystem::path(path).parent_path().string()));
  UniqueFd lock(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return fail_errno(errno, "open " + path + ".lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::kConflict, path + ": in use by another process (its lock is held)");
  }
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(errno, "open " + path);
  return std::unique_ptr<FileJournal>(new FileJournal(path, std::move(lock), std::move(fd)));
}

Result<std::vector<std::string>> FileJournal::load() {
  CARACAL_ASSIGN(const std::string content, read_file(path_));
  std::vector<std::string> records;
  damaged_ = 0;
  std::string_view rest = content;
  while (!rest.empty()) {
    const size_t newline = rest.find('\n');
    if (newline == std::string_view::npos) {
      // Torn by a crash: nobody was told that it is in. Cut off, so that the next line begins
      // clean.
      if (::ftruncate(fd_.get(), static_cast<off_t>(content.size() - rest.size())) != 0) {
        return fail_errno(errno, "truncate " + path_);
      }
      break;
    }
    if (const auto record = record_of(rest.substr(0, newline))) {
      records.emplace_back(*record);
    } else {
      ++damaged_;
    }
    rest.remove_prefix(newline + 1);
  }
  if (damaged_ != 0) {
    log::error("journal holds damaged lines; they are passed over, a copy is kept",
               {{"file", path_}, {"lines", damaged_}, {"copy", path_ + ".damaged"}});
    CARACAL_TRY(write_file_atomic(path_ + ".damaged", content, 0600));
  }
  return records;
}

Status FileJournal::append(std::string_view record) {
  const std::string line = line_of(record);
  struct stat before {};
  if (::fstat(fd_.get(), &before) != 0) return fail_errno(errno, "stat " + path_);
  ssize_t n = 0;
  do {
    n = ::write(fd_.get(), line.data(), line.size());
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(line.size())) return {};
  const int error = n < 0 ? errno : ENOSPC;
  // A part of a line must not stay, or the next record would be glued to it.
  if (n > 0 && ::ftruncate(fd_.get(), before.st_size) != 0) {
    log::error("journal: a partly written line cannot be cut off", {{"file", path_}});
  }
  return fail_errno(error, "write " + path_);
}

Status FileJournal::sync() {
  if (::fdatasync(fd_.get()) != 0) return fail_errno(errno, "fdatasync " + path_);
  return {};
}

Status FileJournal::rewrite(const std::vector<std::string>& records) {
  std::string content;
  for (const std::string& record : records) content += line_of(record);
  CARACAL_TRY(write_file_atomic(path_, content, 0600));
  const UniqueFd fresh(::open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  if (!fresh || ::dup3(fresh.get(), fd_.get(), O_CLOEXEC) < 0) {
    return fail_errno(errno, "open " + path_);
  }
  return {};
}

}  // namespace caracal::ipam
