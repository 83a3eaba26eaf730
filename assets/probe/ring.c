#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define RING_SIZE 256

struct ring {
    unsigned char data[RING_SIZE];
    size_t head;
    size_t tail;
};

void ring_init(struct ring *ring)
{
    memset(ring, 0, sizeof *ring);
}

bool ring_put(struct ring *ring, unsigned char byte)
{
    size_t next = (ring->head + 1) % RING_SIZE;
    if (next == ring->tail)
        return false;
    ring->data[ring->head] = byte;
    ring->head = next;
    return true;
}

bool ring_get(struct ring *ring, unsigned char *byte)
{
    if (ring->head == ring->tail)
        return false;
    *byte = ring->data[ring->tail];
    ring->tail = (ring->tail + 1) % RING_SIZE;
    return true;
}
