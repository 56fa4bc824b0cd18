// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/amount.hpp"
#include "io/line_reader.hpp"
#include "io/venue_history.hpp"
#include "io/venue_record.hpp"

namespace hft {

VenueLog::VenueLog(std::string path, Nanos sync, GroupSync::Failed failed)
    : path_(std::move(path)), sync_(sync > 0 ? std::make_unique<GroupSync>(sync, std::move(failed)) : nullptr) {}

std::string VenueLog::open() {
    file_ = Fd(::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!file_) return path_ + ": " + std::strerror(errno);
    struct stat info{};
    if (::fstat(file_.get(), &info) != 0) return path_ + ": " + std::strerror(errno);
    char last = '\n';
    if (info.st_size > 0 && ::pread(file_.get(), &last, 1, info.st_size - 1) != 1) return path_ + ": " + std::strerror(errno);
    if (last != '\n' && ::write(file_.get(), "\n", 1) != 1) return path_ + ": " + std::strerror(errno);
    written_ = static_cast<std::uint64_t>(info.st_size) + (last != '\n' ? 1 : 0);
    if (sync_ && !sync_->watch(file_.get())) return path_ + ": " + std::strerror(errno);
    return {};
}

std::string VenueLog::replay(VenueCore& core) const {
    const Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (!file || ::fstat(file.get(), &info) != 0) return path_ + ": " + std::strerror(errno);
    const std::uint64_t begin = last_state_before(file.get(), static_cast<std::uint64_t>(info.st_size)).value_or(0);
    LineReader lines(file.get(), begin);
    std::string damaged;  // good only as the last line before a start: the one a crash cut off
    std::string_view text;
    const std::string from = begin == 0 ? "" : " (counted from byte " + std::to_string(begin) + ")";
    for (std::size_t number = 1; lines.next(text); ++number) {
        if (text.empty()) continue;
        const auto line = nlohmann::json::parse(text, nullptr, false);
        const bool start = line.is_object() && line.contains("ev") && line["ev"] == "start";
        if (!damaged.empty() && !start) return damaged;
        damaged.clear();
        const auto place = [&] { return path_ + ":" + std::to_string(number) + from + ": "; };
        if (line.is_discarded()) {
            damaged = place() + "not a JSON object; restore the log or move it away, knowing that epochs are forgotten then";
            continue;
        }
        try {
            venue_record::restore(line, core);
        } catch (const nlohmann::json::exception& error) {
            return place() + error.what();
        } catch (const venue_record::BadAmount&) {
            return place() + "expected amounts from 0 to " + std::to_string(kMaxAmount) +
                   " millionths and positions up to a thousand times that";
        }
    }
    return {};
}

bool VenueLog::flush() {
    std::size_t done = 0;
    while (done < pending_.size()) {
        const ssize_t n = ::write(file_.get(), pending_.data() + done, pending_.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    written_ += done;
    if (sync_ && done != 0) sync_->written();
    pending_.erase(0, done);
    return pending_.empty();
}

}  // namespace hft
