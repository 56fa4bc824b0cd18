// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/atomic_file.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "io/fd.hpp"

namespace hft {

namespace {

std::string failed(const std::string& path) { return path + ": " + std::strerror(errno); }

bool flush_directory(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd && ::fsync(fd.get()) == 0;
}

}  // namespace

std::string write_file_atomically(const std::string& path, const std::string& content) {
    const std::string temporary = path + ".new";
    {
        const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
        if (!fd) return failed(temporary);
        if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) return failed(temporary);
        if (::fsync(fd.get()) != 0) return failed(temporary);
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return failed(path);
    return flush_directory(path) ? "" : failed(path);
}

std::string remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed(path);
    return flush_directory(path) ? "" : failed(path);
}

}  // namespace hft
