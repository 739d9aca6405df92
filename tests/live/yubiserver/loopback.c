/* Laid over yubiserver, which would listen on all addresses, run as a user of its own and leave our sight: it stays on
   the loopback interface, with us, and in the foreground. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    if (address->sa_family != AF_INET) {
        return -1;
    }
    struct sockaddr_in loopback = *(const struct sockaddr_in *)address;
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return real(fd, (const struct sockaddr *)&loopback, length);
}

pid_t fork(void) { return 0; }
int setreuid(uid_t real, uid_t effective) { return 0; }
int setregid(gid_t real, gid_t effective) { return 0; }
