"""Names that have a value of their own in every assembled kernel: templates import them from here (see ``build``).

They have none here, so that a template which nobody has assembled fails instead of computing for some other case.
"""

# the block of threads
THREADS = None
ROOM = None  # shared numbers that sums take: four for each thread
LANES = None  # as many columns are summed at a time: BATCH, or THREADS where these are fewer,
PARTS = None  # by as many threads each
meet = None  # the barrier: of a block, or of one warp
sum_one, sum_four = None, None  # in a warp, by warps, or by a tree in the simulator

# units in registers
GROUPS = None  # column groups that a thread has of a layer, of four numbers each,
NUMBERS = None  # and how many these are
RAGGED = None  # whether some layer's width is no multiple of four

# the case
BATCH = None  # inputs
BACKWARD = None  # whether gradients are wanted
IN_SHARED = None  # whether the arrays of a layer are small enough for shared memory

# the weights
WHOLE = None  # whether they are orthogonal
BITS = None  # how many bits of a counter's words they use one by one
weight_four = None  # four of them, and of the biases, from the words of a counter
bias_four = None
TENSOR = None  # whether tensor cores multiply
FEW = None  # else, whether a thread keeps the products of all inputs in registers

# Else tiles: of TILE_ROWS MINE_ROWS by 4 TILE_UNITS weights; each thread has MINE_ROWS by MINE_COLUMNS of the product.
TILE_ROWS, TILE_COLUMNS, TILE_UNITS = None, None, None
MINE_ROWS, MINE_COLUMNS = None, None
# sizes of arrays, which have to be names of numbers
TWO_BATCH = None
FOUR_BATCH = None
MINE = None
WEIGHT_TILE = None
TILES = None  # the shared numbers of a tile of weights and one of inputs, or of the halves that tensor cores take,
TILE_NUMBER = None  # and their type
# Tensor cores: inputs taken at a time, numbers between two rows of the stage and how many steps it has room for, and
# sums in a thread's registers; and the instruction, or what the simulator has for it.
TILED_INPUTS, STRIDE, STEPS = None, None, None
FORWARD_SUMS, BACKWARD_SUMS = None, None
multiply_add = None

# the activation: see ``activations.Code``
phi_and_slope = None
log_slope = None
HAS_SLOPES = None
PERIOD = None
FLATS = None
ENDS = None  # numbers that the ends of FLATS intervals take, at least one
