"""The faults that the kit can name, each in a sentence."""

LOG_SUM_EXP = (
    "the log-sum-exp over components is taken in each latent dimension; "
    "sum the dimensions inside a component first"
)
SCALE_SQUARED = (
    "the sampler spreads by the square of the density's standard deviation: "
    "exp(log-variance) is used as a standard deviation when sampling"
)
SCALE_ROOT = (
    "the sampler spreads by the root of the density's standard deviation: "
    "the root is taken of what is a standard deviation already"
)
SCALE_READ = (
    "the density reads a log-variance as a log-scale (or a variance as a standard deviation); "
    "the sampler reads it rightly"
)
SCALE_OTHER = "the sampler spreads its components by other scales than the density"
WEIGHTS_IGNORED = "the sampler ignores the mixing weights, or draws by other ones than the density"
NEVER_DRAWN = "some components are never drawn, though the density gives them weight"
BY_POSITION = (
    "samples are not drawn one by one: components are taken by their position (always the first "
    "ones), or one component serves a whole batch"
)
COMPONENT_PER_DIMENSION = (
    "the sampler draws a component for each latent dimension, and the density one for the vector"
)
SHARED_NOISE = (
    "every coordinate is right by itself and only their joint law is wrong: "
    "the dimensions of a sample share their noise"
)
SQUASHED = (
    "a squashing function (tanh, sigmoid, clamp) is applied in sampling only, "
    "and the density knows nothing of it"
)
SHIFTED = "the sampler's components lie elsewhere than the density's"
CONSTANT = (
    "a constant is wrong: the components are averaged by 1/N (the number of data) and not by 1/K, "
    "or a factor such as the 2 pi of a Gaussian is missing"
)
WEIGHTS_UNNORMALISED = (
    "the mixing weights are not normalised: take the log-softmax of the logits in the density"
)
LOG_DET = (
    "the log-determinant of a transform is wrong: left out, of the wrong sign, "
    "or summed over dimensions more than once"
)
WRONG_DENSITY = "the density is not the one of the reference"
NOT_OF_VECTORS = (
    "the distribution is one of each latent dimension and not of the whole vector: "
    "wrap it as Independent(..., 1)"
)
REDUCED = "a sum or a mean runs over the batch, or over the wrong dimension"
NO_BUFFER = (
    "a constant tensor is a plain attribute and stays behind when the prior moves; "
    "register it with register_buffer"
)
SINGLE = (
    "the density is computed in single or half precision whatever its dtype: "
    "a cast to float32 or float16, or a constant in it, stands inside"
)
CANCELLATION = (
    "the square is expanded (z^2 - 2 z mu + mu^2) and cancels far from the origin; "
    "take the difference z - mu first"
)
DENSITY_CLAMPED = (
    "the log-density is clamped, or has a constant added inside its logarithm (log(p + eps)): "
    "where it is, it is flat and wrong"
)
Z_DETACHED = (
    "z is detached inside the density (detach, no_grad, .data), so that the rate has no gradient "
    "for the encoder"
)
MODE_SAMPLER = "the sampler is another in training than in evaluation mode"
CACHED = (
    "the distribution is cached and goes on after its parameters, its encoder or its labels have "
    "changed; make a new one at every call"
)
IN_PLACE = (
    "calling the prior, or asking for its density or samples, changes its parameters or buffers "
    "in place"
)
DENSITY_DRAWS = (
    "log_prob takes numbers from torch's generator, so that asking for a density changes the "
    "samples that follow"
)
DUPLICATED = "draws are returned more than once: a sample holds fewer draws than places"
MIRRORED = "draws come in pairs that mirror one another (antithetic draws), and are not independent"
CHAINED = (
    "each draw depends on those before it (a Markov chain, a stratified or a sorted sample): "
    "draws are not independent"
)
SAMPLE_SHAPE = (
    "draws along one dimension of sample_shape share a component or their noise, or the dimension "
    "is ignored: draw anew for each of its places"
)
RSAMPLE_LAW = "rsample draws from another law than sample"
RSAMPLE_GRADIENT = (
    "rsample has no gradient, or a wrong one, for a parameter that moves the samples "
    "(detach, no_grad, .data or a draw that is not reparameterised)"
)
EXPAND = (
    "expand returns something else than the same distribution with the batch shape that it is "
    "asked for"
)
BATCH_CLAIM = (
    "a closed form (mean, variance, entropy, kl_divergence) is right for one and wrong for a "
    "batch: a sum or a mean runs over the batch"
)
LABEL_IGNORED = "labels are ignored: the prior is the same for each of them"
LABELS_MOVED = (
    "labels are sorted, made unique or moved to other places: the prior of an example is that of "
    "another's label"
)
PLAIN_CONTAINER = (
    "a parameter is kept in a plain dictionary or list, where no optimizer and no state_dict "
    "finds it; use nn.ParameterDict or nn.ParameterList"
)
ENCODER_STORED = (
    "the prior stores the encoder: its keys are doubled in the state_dict and "
    "an encoder that replaces it is not seen; take it as an argument at every call"
)
ENCODER_DETACHED = (
    "the encoder's output is detached inside the prior (no_grad, detach, .data or a frozen copy), "
    "so that the prior trains neither the encoder nor the pseudo-inputs through it"
)
CLAMP = (
    "a clamp (clamp, hardtanh) holds the pseudo-inputs in their range and kills their gradient "
    "at its border; fold or squash them smoothly"
)
DRAW_BLOCKS = (
    "a random draw (categorical, multinomial) stands between a parameter and the density "
    "and blocks its gradient"
)
STEP_BLOCKS = "a step (argmax, round, detach, .data) between a parameter and the density blocks it"
UNUSED = "a parameter has no influence on the density"
WRONG_GRADIENT = "a backward pass written by hand, or a straight-through estimate, is wrong"
OVERFLOW = (
    "an exponential, a logarithm or a division leaves the range of floats; "
    "stay in logarithms and use logsumexp"
)
RANDOM_DENSITY = "the density is random: something is drawn at each call or in log_prob"
NUMPY_GENERATOR = "samples are drawn from NumPy's generator; draw from torch's"
PYTHON_GENERATOR = "samples are drawn from Python's random module; draw from torch's"
OTHER_GENERATOR = (
    "samples do not follow torch's seed: they come from a generator of their own (NumPy's "
    "default_rng, random.Random), or the prior reseeds"
)
RESEEDED = "the prior calls torch.manual_seed"
SHARED_KEYS = "one tensor is registered under two names"
NOT_SAVED = "something that the density depends on is not in the state_dict"
MODE = "dropout or batch statistics act inside the prior"
ENCODED_TWICE = "the encoder is called for each density or sample and not once per distribution"
ENCODER_TOUCHED = "the prior changes the encoder: its mode, its buffers or its parameters"
CLAIM = "a closed form is wrong, or is a bound that is reported as exact"
ENTANGLED = "one argument of the density depends on what other points are asked with it"
ONE_FOR_ALL = (
    "labels are not taken one by one: the prior of one example depends on the labels of others"
)
UNTRACEABLE = (
    "torch cannot trace the density: it branches on values, or leaves torch on its way "
    "(NumPy, float(), a generator)"
)
