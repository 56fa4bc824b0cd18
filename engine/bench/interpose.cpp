// SPDX-License-Identifier: GPL-3.0-or-later
// The program's own malloc and pthread_mutex_lock stand before those of the C library for every object of the process, the C++
// library's operator new included. glibc: the real ones are __libc_malloc and what dlsym finds next.
#include "bench/interpose.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <cstddef>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace hft::bench {
namespace {

thread_local bool counting = false;
thread_local Counted counted;

void allocation() noexcept {
    if (counting) ++counted.allocations;
}

template <typename F>
F next(F, const char* name) noexcept {
    if (counting) ++counted.locks;
    return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void start_counting() noexcept {
    counted = {};
    counting = true;
}
Counted stop_counting() noexcept {
    counting = false;
    return counted;
}

}  // namespace hft::bench

using hft::bench::allocation;
using hft::bench::next;

extern "C" {

void* malloc(std::size_t size) {
    allocation();
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    allocation();
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
    allocation();
    return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    allocation();
    return __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
    allocation();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
    allocation();
    *out = __libc_memalign(alignment, size);
    return *out == nullptr ? ENOMEM : 0;
}

int pthread_mutex_lock(pthread_mutex_t* m) { return next(&pthread_mutex_lock, "pthread_mutex_lock")(m); }
int pthread_mutex_trylock(pthread_mutex_t* m) { return next(&pthread_mutex_trylock, "pthread_mutex_trylock")(m); }
int pthread_rwlock_rdlock(pthread_rwlock_t* l) { return next(&pthread_rwlock_rdlock, "pthread_rwlock_rdlock")(l); }
int pthread_rwlock_wrlock(pthread_rwlock_t* l) { return next(&pthread_rwlock_wrlock, "pthread_rwlock_wrlock")(l); }
int pthread_spin_lock(pthread_spinlock_t* l) { return next(&pthread_spin_lock, "pthread_spin_lock")(l); }
int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) { return next(&pthread_cond_wait, "pthread_cond_wait")(c, m); }
}
