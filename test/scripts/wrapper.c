/* A stand-in for the escalate helper: appends the argv it was given to the file LOG (set when compiled, so that the environment is left
   alone), as its count and then each string, all NUL-terminated and in one write; then executes argv[1] with argv[2…], as the helper
   does on Run. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  size_t size = 32;
  for (int i = 0; i < argc; i++) size += strlen(argv[i]) + 1;
  char *record = malloc(size);
  if (record == NULL || argc < 3) return 99;
  size_t used = (size_t)sprintf(record, "%d", argc) + 1;
  for (int i = 0; i < argc; i++) {
    strcpy(record + used, argv[i]);
    used += strlen(argv[i]) + 1;
  }
  int fd = open(LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, record, used) != (ssize_t)used) return 98;
  execvp(argv[1], argv + 2);
  return errno == ENOENT ? 127 : 126;
}
