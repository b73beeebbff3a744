/* Preloaded into user-mode Linux: it keeps room for the registers up to AVX-512. Where the processor has larger ones
 * (AMX), the host takes a set of registers only whole, and answers EFAULT to what user-mode Linux gives back. So the rest
 * is filled up with what the process has there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { WHOLE = 16384 };

long ptrace(enum __ptrace_request request, ...) {
    static long (*next)(enum __ptrace_request, ...);
    va_list rest;
    va_start(rest, request);
    pid_t process = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);
    if (!next)
        next = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
    if (request == PTRACE_SETREGSET && (unsigned long)address == NT_X86_XSTATE) {
        static char state[WHOLE];
        struct iovec given = *(struct iovec *)data, whole = {state, WHOLE};
        if (next(PTRACE_GETREGSET, process, address, &whole) == 0 && whole.iov_len > given.iov_len) {
            memcpy(state, given.iov_base, given.iov_len);
            return next(request, process, address, &whole);
        }
    }
    return next(request, process, address, data);
}
