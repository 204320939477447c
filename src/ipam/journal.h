// Journal: durable storage of a small set of records, as a text file that grows at its end.
//
// Used by LeaseBook. A line is the CRC-32 of a record in hex, a space, and the record. What
// append() took survives the end of the process; what sync() took survives the end of the machine's
// power. A half-written last line is the mark of a crash and is passed over. Lines stand for
// themselves: a damaged one loses that record only. The seam for fault injection: testing uses its
// own Journal.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::ipam {

class Journal {
 public:
  virtual ~Journal() = default;
  // The records that are in it, oldest first.
  virtual Result<std::vector<std::string>> load() = 0;
  // `record` holds no newline. On error it is not in the journal.
  virtual Status append(std::string_view record) = 0;
  // Makes all that was appended before durable. May be called from another thread than the rest.
  virtual Status sync() = 0;
  // Replaces everything, durably, all or nothing.
  virtual Status rewrite(const std::vector<std::string>& records) = 0;
};

class FileJournal final : public Journal {
 public:
  // Makes the file (mode 0600) when it is not there. One process at a time: it is locked; kConflict
  // names the file when another one has it.
  static Result<std::unique_ptr<FileJournal>> open(const std::string& path);

  Result<std::vector<std::string>> load() override;
  Status append(std::string_view record) override;
  Status sync() override;
  Status rewrite(const std::vector<std::string>& records) override;
  // Lines that load() could not use, other than a torn last one.
  size_t damaged() const { return damaged_; }

 private:
  FileJournal(std::string path, UniqueFd lock, UniqueFd fd)
      : path_(std::move(path)), lock_(std::move(lock)), fd_(std::move(fd)) {}

  std::string path_;
  UniqueFd lock_;  // of path.lock: the file itself is replaced by rewrite()
  UniqueFd fd_;    // replaced in place (dup3), so that sync() on another thread stays valid
  size_t damaged_ = 0;
};

}  // namespace caracal::ipam
