#include "controller/pass_runner.h"

#include <algorithm>

#include "base/log.h"

namespace caracal::controller {

PassRunner::PassRunner(event::Loop& loop, telemetry::Metrics& metrics, Settings settings)
    : loop_(loop), metrics_(metrics), settings_(settings) {}

void PassRunner::add(std::string name, std::function<void(PassDone)> run,
                     std::function<event::Duration()> period) {
  const std::string label = "pass=\"" + name + "\"";
  auto pass = std::make_unique<Pass>(Pass{
      .name = std::move(name),
      .run = std::move(run),
      .period = std::move(period),
      .backoff = event::Backoff(settings_.backoff),
      .run_counter = &metrics_.counter("caracal_controller_passes_total", "Passes", label),
      .error_counter = &metrics_.counter("caracal_controller_pass_errors_total",
                                         "Passes that could not do all", label),
      .seconds = &metrics_.histogram("caracal_controller_pass_seconds", "Time of passes", label)});
  passes_.push_back(std::move(pass));
}

void PassRunner::mark(const std::string& name) {
  for (const auto& pass : passes_) {
    if (pass->name == name) pass->marked = true;
  }
  schedule();
}

void PassRunner::mark_all() {
  for (const auto& pass : passes_) pass->marked = true;
  schedule();
}

void PassRunner::allow() {
  allowed_ = true;
  for (const auto& pass : passes_) pass->ran = false;
  mark_all();
}

void PassRunner::forbid() {
  allowed_ = false;
  timer_.reset();
  for (const auto& pass : passes_) pass->timer.reset();
}

bool PassRunner::idle() const {
  return running_ == nullptr && std::none_of(passes_.begin(), passes_.end(),
                                             [](const auto& pass) { return pass->marked; });
}

bool PassRunner::all_done_once() const {
  return std::all_of(passes_.begin(), passes_.end(),
                     [](const auto& pass) { return pass->ran && pass->last.error.empty(); });
}

void PassRunner::schedule() {
  if (!allowed_ || running_ != nullptr || timer_.active() || idle()) return;
  timer_ = loop_.after(settings_.gather, [this] { next(); });
}

void PassRunner::next() {
  if (!allowed_ || running_ != nullptr) return;
  const auto found =
      std::find_if(passes_.begin(), passes_.end(), [](const auto& pass) { return pass->marked; });
  if (found == passes_.end()) return;
  Pass& pass = **found;
  pass.marked = false;
  pass.timer.reset();
  running_ = &pass;
  pass.run([this, &pass, began = loop_.now()](PassReport report) {
    finish(pass, began, std::move(report));
  });
}

void PassRunner::finish(Pass& pass, event::Clock::time_point began, PassReport report) {
  const auto took = loop_.now() - began;
  pass.took = std::chrono::duration_cast<event::Duration>(took);
  pass.seconds->observe(took);
  pass.run_counter->add();
  ++pass.runs;
  pass.ran = true;
  event::Duration again = pass.period();
  if (!report.error.empty()) {
    ++pass.failures;
    pass.error_counter->add();
    log::warn("pass not complete", {{"pass", pass.name}, {"error", report.error}});
    again = std::min(again, pass.backoff.next());
  } else {
    pass.backoff.reset();
  }
  if (report.again > event::Duration(0)) again = std::min(again, report.again);
  if (!report.text.empty()) {
    pass.last_did = report.text;
    log::info("pass",
              {{"pass", pass.name}, {"did", report.text}, {"milliseconds", pass.took.count()}});
  } else {
    log::debug("pass: nothing to do", {{"pass", pass.name}});
  }
  pass.last = std::move(report);
  running_ = nullptr;
  if (!allowed_) return;
  pass.timer = loop_.after(again, [this, &pass] {
    pass.marked = true;
    schedule();
  });
  schedule();
}

json::object PassRunner::status() const {
  json::object out;
  for (const auto& pass : passes_) {
    json::object& one = out[pass->name].emplace_object();
    one["runs"] = pass->runs;
    one["failures"] = pass->failures;
    one["milliseconds"] = pass->took.count();
    if (!pass->last_did.empty()) one["did"] = pass->last_did;
    if (!pass->last.error.empty()) one["error"] = pass->last.error;
  }
  return out;
}

std::string PassRunner::errors() const {
  std::string out;
  for (const auto& pass : passes_) {
    if (pass->last.error.empty()) continue;
    out += (out.empty() ? "" : "; ") + pass->name + ": " + pass->last.error;
  }
  return out;
}

}  // namespace caracal::controller
