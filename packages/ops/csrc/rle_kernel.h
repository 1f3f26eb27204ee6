#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// Packs bytes to bits (1 if the byte is not 0): count bytes -> (count + 63) / 64 words, lowest bit first, zero-padded.
DETECTORY_KERNEL(pack_bits, void(const uint8_t* bytes, int64_t count, uint64_t* words))

}  // namespace detectory
