// RecordFeed: the last records, and those who wait for the next.
//
// On the calculation loop. A reader asks for what came after a number; it gets what there is, or
// waits. A reader that is too slow misses records and is told how many: nothing is kept for it, so
// readers cost nothing but their question. Bounded by `size`.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>

#include "event/loop.h"
#include "flowlog/record.h"

namespace caracal::flowlog {

class RecordFeed {
 public:
  RecordFeed(event::Loop& loop, size_t size) : loop_(loop), size_(size) {}

  void push(Record record);

  struct Page {
    std::vector<Record> records;
    uint64_t next = 0;    // to ask with: after the last of these
    uint64_t missed = 0;  // overwritten before they were asked for
  };
  // Records after number `after` (0: from the oldest kept), at most `limit`.
  Page after(uint64_t after, size_t limit) const;
  // The last `count`.
  Page last(size_t count) const;
  // Calls `answer` once: with after(), as soon as it is not empty or the time is over.
  void wait(uint64_t after, size_t limit, event::Duration time, std::function<void(Page)> answer);

  uint64_t count() const { return count_; }  // records so far
  size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter {
    uint64_t after;
    size_t limit;
    std::function<void(Page)> answer;
    event::Handle timer;
  };
  void answer(std::list<Waiter>::iterator waiter);

  event::Loop& loop_;
  size_t size_;
  std::deque<Record> records_;  // numbers count_ - size() + 1 .. count_
  uint64_t count_ = 0;
  std::list<Waiter> waiters_;
};

}  // namespace caracal::flowlog
