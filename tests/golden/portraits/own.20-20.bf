{
  "blocks": [
    {
      "iter": 1,
      "block_num": 0,
      "block_size": 73,
      "part_file": "own.20-20.bf.part0.bin"
    },
    {
      "iter": 101,
      "block_num": 1,
      "block_size": 100,
      "part_file": "own.20-20.bf.part1.bin"
    },
    {
      "iter": 201,
      "block_num": 2,
      "block_size": 100,
      "part_file": "own.20-20.bf.part2.bin"
    },
    {
      "iter": 241,
      "block_num": 3,
      "block_size": 40,
      "part_file": "own.20-20.bf.part3.bin"
    }
  ],
  "bf_info": {
    "chain_size": 84,
    "chain_n_filters": 1,
    "options": 13,
    "growth": 2,
    "bytes": 240,
    "bits": 1920,
    "current_size": 84,
    "error": 0.01,
    "bits_per_element": 9.585058377367446,
    "hashes": 7,
    "max_entries": 200,
    "n2": 0
  },
  "width": 20,
  "key": "own.20-20.bf"
}