// The order of a product's tiles: those that run at the same time are neighbours, so that L2 serves
// their operands.
#pragma once

#include "../include/platform.cuh"

// Tile rows that run together.
static constexpr u32 tile_rows_together = 8;

struct TilePlace {
  u32 row, column; // in tiles
};

__device__ __forceinline__ TilePlace tile_place(u32 number, u32 tile_rows, u32 tile_columns) {
  u32 band = number / (tile_rows_together * tile_columns) * tile_rows_together;
  u32 height = tile_rows - band < tile_rows_together ? tile_rows - band : tile_rows_together;
  u32 within = number % (tile_rows_together * tile_columns);
  return {band + within % height, within / height};
}
