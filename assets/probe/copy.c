#include <errno.h>
#include <stdio.h>
#include <string.h>

static int copy(FILE *in, FILE *out)
{
    char buffer[4096];
    size_t length;
    while ((length = fread(buffer, 1, sizeof buffer, in)) > 0) {
        if (fwrite(buffer, 1, length, out) != length)
            return -1;
    }
    return ferror(in) ? -1 : 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL || copy(file, stdout) != 0) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            status = 1;
        }
        if (file != NULL)
            fclose(file);
    }
    return status;
}
