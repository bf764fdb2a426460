/* The small stack machine in which unusual places are written: signal frames, linkage stubs. */
#include "unwind.h"

enum { DEEPEST = 16 };

struct values {
    uint64_t at[DEEPEST];
    int depth;
    bool failed;
};

static void push(struct values *values, uint64_t value)
{
    if (values->depth < DEEPEST)
        values->at[values->depth++] = value;
    else
        values->failed = true;
}

static uint64_t pop(struct values *values)
{
    if (values->depth)
        return values->at[--values->depth];
    values->failed = true;
    return 0;
}

static void push_constant(struct values *values, uint8_t operation, const uint8_t **at)
{
    switch (operation) {
    case 0x08:
        push(values, fixed_number(at, 1));
        break;
    case 0x09:
        push(values, (uint64_t)(int64_t)(int8_t)fixed_number(at, 1));
        break;
    case 0x0a:
        push(values, fixed_number(at, 2));
        break;
    case 0x0b:
        push(values, (uint64_t)(int64_t)(int16_t)fixed_number(at, 2));
        break;
    case 0x0c:
        push(values, fixed_number(at, 4));
        break;
    case 0x0d:
        push(values, (uint64_t)(int64_t)(int32_t)fixed_number(at, 4));
        break;
    case 0x10:
        push(values, unsigned_number(at));
        break;
    default:
        push(values, (uint64_t)signed_number(at));
        break;
    }
}

static uint64_t combine(uint8_t operation, uint64_t left, uint64_t right)
{
    switch (operation) {
    case 0x1a:
        return left & right;
    case 0x1c:
        return left - right;
    case 0x21:
        return left | right;
    case 0x22:
        return left + right;
    case 0x24:
        return right < 64 ? left << right : 0;
    case 0x25:
        return right < 64 ? left >> right : 0;
    case 0x2a:
        return (int64_t)left >= (int64_t)right;
    default: /* 0x2d */
        return (int64_t)left < (int64_t)right;
    }
}

static void step(struct values *values, uint8_t operation, const uint8_t **at,
                 const struct frame *frame, struct readable *readable)
{
    uint64_t value = 0, right;
    uint64_t number = operation - 0x70u;

    if (operation >= 0x30 && operation <= 0x4f) { /* literals */
        push(values, operation - 0x30u);
    } else if (operation >= 0x70 && operation <= 0x8f && number < REGISTER_COUNT) {
        push(values, frame->registers[number] + (uint64_t)signed_number(at));
    } else if ((operation >= 0x08 && operation <= 0x0d) || operation == 0x10 || operation == 0x11) {
        push_constant(values, operation, at);
    } else {
        switch (operation) {
        case 0x06: /* what lies there */
            if (!read_memory(readable, pop(values), &value, sizeof value))
                values->failed = true;
            push(values, value);
            break;
        case 0x12: /* once more */
            value = pop(values);
            push(values, value);
            push(values, value);
            break;
        case 0x23:
            push(values, pop(values) + unsigned_number(at));
            break;
        case 0x1a:
        case 0x1c:
        case 0x21:
        case 0x22:
        case 0x24:
        case 0x25:
        case 0x2a:
        case 0x2d:
            right = pop(values);
            push(values, combine(operation, pop(values), right));
            break;
        default:
            values->failed = true;
            break;
        }
    }
}

bool evaluate(const uint8_t *expression, const struct frame *frame, struct readable *readable,
              const uint64_t *first, uint64_t *value)
{
    struct values values = { .depth = 0 };
    uint64_t length = unsigned_number(&expression);
    const uint8_t *end = expression + length;

    if (first)
        push(&values, *first);
    while (expression < end && !values.failed) {
        uint8_t operation = *expression++;

        step(&values, operation, &expression, frame, readable);
    }
    *value = pop(&values);
    return !values.failed;
}
