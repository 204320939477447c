#include "flowlog/record_feed.h"

#include <algorithm>

namespace caracal::flowlog {

void RecordFeed::push(Record record) {
  if (size_ == 0) return;
  if (records_.size() == size_) records_.pop_front();
  records_.push_back(std::move(record));
  ++count_;
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    const auto one = it++;
    answer(one);
  }
}

RecordFeed::Page RecordFeed::after(uint64_t after, size_t limit) const {
  Page page;
  // A number from before a restart of the agent: begin anew.
  if (after > count_) after = 0;
  const uint64_t oldest = count_ - records_.size();
  if (after < oldest && after != 0) page.missed = oldest - after;
  const uint64_t from = std::max(after, oldest);
  const size_t count = std::min<size_t>(limit, count_ - from);
  const auto begin = records_.begin() + static_cast<std::ptrdiff_t>(from - oldest);
  page.records.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
  page.next = from + count;
  return page;
}

RecordFeed::Page RecordFeed::last(size_t count) const {
  const size_t kept = std::min(count, records_.size());
  Page page;
  page.records.assign(records_.end() - static_cast<std::ptrdiff_t>(kept), records_.end());
  page.next = count_;
  return page;
}

void RecordFeed::answer(std::list<Waiter>::iterator waiter) {
  const auto fn = std::move(waiter->answer);
  Page page = after(waiter->after, waiter->limit);
  waiters_.erase(waiter);
  fn(std::move(page));
}

void RecordFeed::wait(uint64_t after, size_t limit, event::Duration time,
                      std::function<void(Page)> fn) {
  if (after < count_ || after > count_ || time.count() <= 0) return fn(this->after(after, limit));
  const auto waiter = waiters_.insert(waiters_.end(), {after, limit, std::move(fn), {}});
  waiter->timer = loop_.after(time, [this, waiter] { answer(waiter); });
}

}  // namespace caracal::flowlog
