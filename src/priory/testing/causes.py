"""The faults that the kit can name, one sentence each."""

LOG_SUM_EXP = (
    "the log-sum-exp over components is taken in each latent dimension separately; sum over the"
    " dimensions inside a component first"
)
SCALE_SQUARED = (
    "the sampler uses the square of the density's standard deviation: exp(log-variance) is used"
    " as a standard deviation when sampling"
)
SCALE_ROOT = (
    "the sampler uses the square root of the density's standard deviation: the root is taken of"
    " what is already a standard deviation"
)
SCALE_READ = (
    "the density reads a log-variance as a log-scale (or a variance as a standard deviation); "
    "the sampler reads it correctly"
)
SCALE_OTHER = "the sampler and the density use different scales for the components"
WEIGHTS_IGNORED = "the sampler ignores the mixing weights, or uses different ones from the density"
NEVER_DRAWN = "some components are never sampled, although the density gives them weight"
BY_POSITION = (
    "samples are not drawn independently: components are chosen by position (always the first "
    "ones), or one component is used for a whole batch"
)
COMPONENT_PER_DIMENSION = (
    "the sampler chooses a component for each latent dimension, but the density chooses one for"
    " the whole vector"
)
SHARED_NOISE = (
    "each coordinate is correct and only the joint distribution is wrong: the dimensions of a "
    "sample share their noise"
)
SQUASHED = (
    "a squashing function (tanh, sigmoid, clamp) is applied when sampling, but the density does"
    " not account for it"
)
SHIFTED = "the sampler's components are not where the density's are"
CONSTANT = (
    "a constant is wrong: the components are averaged by 1/N (the number of data) instead of "
    "1/K, or a factor such as the 2 pi of a Gaussian is missing"
)
WEIGHTS_UNNORMALISED = (
    "the mixing weights are not normalised: take the log-softmax of the logits in the density"
)
LOG_DET = (
    "the log-determinant of a transform is wrong: missing, with the wrong sign, or summed over "
    "dimensions more than once"
)
WRONG_DENSITY = "the density differs from that of the reference"
NOT_OF_VECTORS = (
    "the distribution is over each latent dimension separately instead of the whole vector: "
    "wrap it as Independent(..., 1)"
)
REDUCED = "a sum or a mean runs over the batch, or over the wrong dimension"
NO_BUFFER = (
    "a constant tensor is a plain attribute and stays behind when the prior moves; register it "
    "with register_buffer"
)
SINGLE = (
    "the density is computed in single or half precision whatever its dtype: it contains a cast"
    " to float32 or float16, or a constant in that dtype"
)
CANCELLATION = (
    "the square is expanded (z^2 - 2 z mu + mu^2) and cancels far from the origin; compute the "
    "difference z - mu first"
)
DENSITY_CLAMPED = (
    "the log-density is clamped, or has a constant added inside its logarithm (log(p + eps)), "
    "so it is flat and wrong there"
)
Z_DETACHED = (
    "z is detached inside the density (detach, no_grad, .data), so the rate has no gradient for"
    " the encoder"
)
MODE_SAMPLER = "the sampler behaves differently in training and in evaluation mode"
CACHED = (
    "the distribution is cached and does not change when its parameters, its encoder or its "
    "labels do; create a new one in every call"
)
IN_PLACE = (
    "calling the prior, or asking for its density or samples, changes its parameters or buffers"
    " in place"
)
DENSITY_DRAWS = (
    "log_prob uses numbers from torch's generator, so computing a density changes the samples "
    "that follow"
)
DUPLICATED = (
    "the same draw is returned more than once: a sample has fewer distinct draws than its size"
)
MIRRORED = "draws come in mirrored pairs (antithetic draws), and are not independent"
CHAINED = (
    "each draw depends on earlier ones (a Markov chain, a stratified or a sorted sample): draws"
    " are not independent"
)
SAMPLE_SHAPE = (
    "draws along one dimension of sample_shape share a component or their noise, or the "
    "dimension is ignored: draw anew at each position"
)
RSAMPLE_LAW = "rsample and sample draw from different distributions"
RSAMPLE_GRADIENT = (
    "rsample has no gradient, or a wrong one, for a parameter that moves the samples (detach, "
    "no_grad, .data or a draw that is not reparameterised)"
)
EXPAND = "expand does not return the same distribution with the requested batch shape"
BATCH_CLAIM = (
    "a closed form (mean, variance, entropy, kl_divergence) is correct for a single "
    "distribution but wrong for a batch: a sum or a mean runs over the batch"
)
LABEL_IGNORED = "labels are ignored: the prior is the same for all of them"
LABELS_MOVED = (
    "labels are sorted, deduplicated or reordered: an example gets the prior of another's label"
)
PLAIN_CONTAINER = (
    "a parameter is kept in a plain dictionary or list, where no optimizer and no state_dict "
    "finds it; use nn.ParameterDict or nn.ParameterList"
)
ENCODER_STORED = (
    "the prior stores the encoder: its keys appear twice in the state_dict, and replacing the "
    "encoder has no effect; take it as an argument in every call"
)
ENCODER_DETACHED = (
    "the encoder's output is detached inside the prior (no_grad, detach, .data or a frozen "
    "copy), so the prior trains neither the encoder nor the pseudo-inputs through it"
)
CLAMP = (
    "a clamp (clamp, hardtanh) keeps the pseudo-inputs in their range and has no gradient at "
    "its boundary; fold or squash them smoothly"
)
DRAW_BLOCKS = (
    "a random draw (categorical, multinomial) between a parameter and the density blocks its "
    "gradient"
)
STEP_BLOCKS = (
    "a step (argmax, round, detach, .data) between a parameter and the density blocks its gradient"
)
UNUSED = "a parameter has no influence on the density"
WRONG_GRADIENT = "a hand-written backward pass, or a straight-through estimate, is wrong"
OVERFLOW = (
    "an exponential, a logarithm or a division leaves the range of floats; stay in logarithms "
    "and use logsumexp"
)
RANDOM_DENSITY = "the density is random: something is drawn in each call or in log_prob"
NUMPY_GENERATOR = "samples are drawn from NumPy's generator; draw from torch's"
PYTHON_GENERATOR = "samples are drawn from Python's random module; draw from torch's"
OTHER_GENERATOR = (
    "samples do not follow torch's seed: they come from a separate generator (NumPy's "
    "default_rng, random.Random), or the prior sets the seed"
)
RESEEDED = "the prior calls torch.manual_seed"
SHARED_KEYS = "one tensor is registered under two names"
NOT_SAVED = "something that the density depends on is not in the state_dict"
MODE = "the prior contains dropout or batch statistics"
ENCODED_TWICE = "the encoder is called for each density or sample instead of once per distribution"
ENCODER_TOUCHED = "the prior changes the encoder: its mode, its buffers or its parameters"
CLAIM = "a closed form is wrong, or is a bound that is reported as exact"
ENTANGLED = "the density at one point depends on which other points are passed with it"
ONE_FOR_ALL = (
    "labels are not handled one by one: the prior of one example depends on the labels of others"
)
UNTRACEABLE = (
    "torch cannot trace the density: it branches on values, or leaves torch along the way "
    "(NumPy, float(), a generator)"
)
