/* The instructions that say, from one address of a function to the next, where registers are kept. */
#include "unwind.h"

#include <string.h>

enum { DEEPEST_MEMORY = 4, LONGEST_PROGRAM = 10000 };

struct machine {
    const struct description *description;
    struct rules *rules;
    const struct rules *initial;
    struct rules remembered[DEEPEST_MEMORY];
    int depth;
    uint64_t address;
};

/* Registers that are not tracked, such as those for floating point, are passed over. */
static void set(struct machine *machine, uint64_t number, enum rule_kind kind, int64_t value)
{
    if (number < REGISTER_COUNT)
        machine->rules->registers[number] =
            (struct rule){ .kind = (uint8_t)kind, .number = value };
}

static void restore(struct machine *machine, uint64_t number)
{
    if (number < REGISTER_COUNT)
        machine->rules->registers[number] = machine->initial
                                              ? machine->initial->registers[number]
                                              : (struct rule){ .kind = SAME };
}

static void set_expression(struct rule *rule, enum rule_kind kind, const uint8_t **at)
{
    uint64_t length;

    rule->kind = (uint8_t)kind;
    rule->expression = *at;
    length = unsigned_number(at);
    *at += length;
}

static bool frame_address_in(struct machine *machine, uint64_t number, int64_t offset)
{
    machine->rules->frame_address =
        (struct rule){ .kind = IN_REGISTER, .number = (int64_t)number };
    machine->rules->offset = offset;
    return number < REGISTER_COUNT;
}

/* One with operands of its own. */
static bool extended(struct machine *machine, uint8_t operation, const uint8_t **at)
{
    int64_t unit = machine->description->data_alignment;
    uint64_t number;

    switch (operation) {
    case 0x00: /* nop */
        return true;
    case 0x01: /* set_loc */
        return false;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        machine->address += fixed_number(at, operation == 4 ? 4 : operation - 1u)
                          * machine->description->code_alignment;
        return true;
    case 0x05: /* offset_extended */
        number = unsigned_number(at);
        set(machine, number, AT_OFFSET, (int64_t)unsigned_number(at) * unit);
        return true;
    case 0x06: /* restore_extended */
        restore(machine, unsigned_number(at));
        return true;
    case 0x07: /* undefined */
        set(machine, unsigned_number(at), UNDEFINED, 0);
        return true;
    case 0x08: /* same_value */
        set(machine, unsigned_number(at), SAME, 0);
        return true;
    case 0x09: /* register */
        number = unsigned_number(at);
        set(machine, number, IN_REGISTER, (int64_t)unsigned_number(at));
        return true;
    case 0x0a: /* remember_state */
        if (machine->depth == DEEPEST_MEMORY)
            return false;
        machine->remembered[machine->depth++] = *machine->rules;
        return true;
    case 0x0b: /* restore_state */
        if (!machine->depth)
            return false;
        *machine->rules = machine->remembered[--machine->depth];
        return true;
    case 0x0c: /* def_cfa */
        number = unsigned_number(at);
        return frame_address_in(machine, number, (int64_t)unsigned_number(at));
    case 0x0d: /* def_cfa_register */
        return frame_address_in(machine, unsigned_number(at), machine->rules->offset);
    case 0x0e: /* def_cfa_offset */
        machine->rules->offset = (int64_t)unsigned_number(at);
        return true;
    case 0x0f: /* def_cfa_expression */
        set_expression(&machine->rules->frame_address, IS_EXPRESSION, at);
        return true;
    case 0x10: /* expression, val_expression */
    case 0x16:
        number = unsigned_number(at);
        if (number >= REGISTER_COUNT)
            return false;
        set_expression(&machine->rules->registers[number],
                       operation == 0x10 ? AT_EXPRESSION : IS_EXPRESSION, at);
        return true;
    case 0x11: /* offset_extended_sf */
        number = unsigned_number(at);
        set(machine, number, AT_OFFSET, signed_number(at) * unit);
        return true;
    case 0x12: /* def_cfa_sf */
        number = unsigned_number(at);
        return frame_address_in(machine, number, signed_number(at) * unit);
    case 0x13: /* def_cfa_offset_sf */
        machine->rules->offset = signed_number(at) * unit;
        return true;
    case 0x14: /* val_offset */
        number = unsigned_number(at);
        set(machine, number, IS_OFFSET, (int64_t)unsigned_number(at) * unit);
        return true;
    case 0x15: /* val_offset_sf */
        number = unsigned_number(at);
        set(machine, number, IS_OFFSET, signed_number(at) * unit);
        return true;
    case 0x2d: /* AARCH64_negate_ra_state: the return address is signed, which is stripped anyway */
        return true;
    case 0x2e: /* GNU_args_size */
        unsigned_number(at);
        return true;
    default:
        return false;
    }
}

static bool execute(struct machine *machine, const uint8_t *at, const uint8_t *end, uint64_t until)
{
    for (int steps = 0; at < end && machine->address <= until; steps++) {
        uint8_t operation = *at++;
        uint64_t low = operation & 0x3f;

        if (steps == LONGEST_PROGRAM)
            return false;
        switch (operation >> 6) {
        case 1: /* advance_loc */
            machine->address += low * machine->description->code_alignment;
            break;
        case 2: /* offset */
            set(machine, low, AT_OFFSET,
                (int64_t)unsigned_number(&at) * machine->description->data_alignment);
            break;
        case 3: /* restore */
            restore(machine, low);
            break;
        default:
            if (!extended(machine, operation, &at))
                return false;
            break;
        }
    }
    return true;
}

bool find_rules(const struct description *description, uint64_t address, struct rules *rules)
{
    struct machine machine = { .description = description, .rules = rules };
    struct rules initial;

    memset(rules, 0, sizeof *rules);
    if (!execute(&machine, description->initial, description->initial_end, UINT64_MAX))
        return false;
    initial = *rules;
    machine.initial = &initial;
    machine.address = description->first_address;
    return execute(&machine, description->program, description->program_end, address);
}
