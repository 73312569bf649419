/* mapt.h: panoptic tracking of a camera, without Python. The C interface of libmapt; it is plain C99.
 *
 *   mapt_options options;
 *   mapt_default_options(&options, sizeof options);
 *   options.bundle = "BUNDLE";
 *   mapt_tracker* tracker;
 *   mapt_error error;
 *   if (mapt_open(&options, &tracker, &error) != MAPT_OK) { puts(error.text); return 2; }
 *   mapt_frame* frame = mapt_frame_new();
 *   while (camera_gives(&image, &stamp_ns))
 *     if (mapt_step(tracker, &image, stamp_ns, NULL, frame, &error) == MAPT_OK) publish(mapt_frame_read(frame));
 *   mapt_frame_free(frame);
 *   mapt_close(tracker);
 *
 * Threads. Every function says what it allows, in one of these words:
 *   ANY    any thread may call it at any time, also while another one is in a call with the same tracker;
 *   TURN   one thread at a time for a tracker: a second one gets MAPT_BUSY at once, and nothing happens;
 *   OWNER  nobody else may use the tracker or frame during the call or after it.
 * Several trackers do not disturb each other.
 *
 * Errors. A function that can fail returns MAPT_OK or what went wrong, and writes one line into `error`, which may be
 * NULL. No exception leaves the library. A step that failed leaves the tracker as it was, to the last bit.
 *
 * Versions. Structs may grow at their end: those that the caller makes begin with their size, and so do those that the
 * library gives. A library of one MAPT_API_VERSION serves every program that was compiled with it. */
#ifndef MAPT_H
#define MAPT_H

#include <stddef.h>
#include <stdint.h>

#define MAPT_API_VERSION 1

#if defined(__GNUC__)
#define MAPT_API __attribute__((visibility("default")))
#else
#define MAPT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mapt_tracker mapt_tracker;
typedef struct mapt_frame mapt_frame;

typedef enum mapt_code {
  MAPT_OK = 0,
  MAPT_INPUT = 1,   /* a mistake of the caller: bundle, option, image, deadline */
  MAPT_STAMP = 2,   /* a stamp that does not rise, or is absurd; the frame is dropped */
  MAPT_STATE = 3,   /* saved bytes that are damaged, or of another network */
  MAPT_STEP = 4,    /* no memory, or ids used up; the frame is dropped */
  MAPT_BACKEND = 5, /* the network failed; the frame is dropped */
  MAPT_OUTPUT = 6,  /* the network's output breaks its contract; the frame is dropped */
  MAPT_BUSY = 7     /* another thread is in a function that takes its turn */
} mapt_code;

typedef struct mapt_error {
  int32_t code; /* a mapt_code */
  char text[512];
} mapt_error;

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

typedef enum mapt_device { MAPT_AUTO = 0, MAPT_CPU = 1, MAPT_CUDA = 2 } mapt_device;

typedef struct mapt_options {
  size_t size;        /* of this struct; mapt_default_options sets it */
  const char* bundle; /* a folder that `mapt export` wrote, or BUNDLE/HxW for one of its input sizes */
  const char* trust;  /* public Ed25519 key (PEM) that must have signed the bundle; NULL: none is asked for */
  const char*
      onnxruntime; /* ONNX Runtime's library; NULL: MAPT_ONNXRUNTIME, this library's folder, the loader's places */
  const char* operators; /* MAPT's operators for CUDA, for bundles of --ops custom --device cuda; NULL: those inside */
  const char* association; /* "full"; for ablations "motion", "appearance" or "iou"; NULL: "full" */
  int32_t device;       /* a mapt_device; MAPT_AUTO takes CUDA where this machine and ONNX Runtime have all it needs */
  int32_t threads;      /* of the network on a CPU; 0, or more than that: as many as cores that may be used */
  int32_t tf32;         /* let CUDA round the inputs of float32 products to TF32 */
  int32_t test;         /* 1: compare what the bundle's golden picture gives; 0: the networks only run once */
  int32_t max_objects;  /* most objects in a frame, the best scores win; 0: as many as the network has slots */
  int32_t frame_height; /* of the camera's images: of several input sizes the best one for them is taken; */
  int32_t frame_width;  /* 0: the first size */
  int32_t no_cuda_graphs; /* 1: a GPU starts every kernel by itself; 0: it replays a subgraph as one CUDA graph where
                             that can be captured */
  void (*say)(void* context, const char* line); /* told what was chosen, and why, during mapt_open; may be NULL */
  void* context;                                /* given to `say` */
  const char*
      backend; /* "ort", "tensorrt", or "auto": TensorRT where bundle and machine have all it needs; NULL: "auto" */
} mapt_options;

/* Fills in the defaults; `size` is sizeof(mapt_options). ANY. */
MAPT_API void mapt_default_options(mapt_options* options, size_t size);

/* Opens a bundle, tests and warms it up. It is read completely, so its folder may change afterwards.
 *
 * It sets ORT_DISABLE_TELEMETRY in the environment, unless it is set, because ONNX Runtime would write a device id and
 * reports into the user's folders. A program whose other threads change the environment at that time sets it before.
 * ANY. */
MAPT_API mapt_code mapt_open(const mapt_options* options, mapt_tracker** tracker, mapt_error* error);

/* OWNER; NULL is allowed. */
MAPT_API void mapt_close(mapt_tracker* tracker);

/* What a tracker runs. The texts live as long as the tracker. */
typedef struct mapt_network {
  size_t size;
  const char* bundle;             /* its id */
  const char* folder;             /* of the input size that was chosen */
  const char* preset;             /* "base", "small", "micro" or "nano" */
  const char* provider;           /* what runs it, as ONNX Runtime calls it */
  const char* library;            /* ONNX Runtime's version */
  const char* const* class_names; /* by train id */
  const int32_t* things;          /* train ids of the classes with instances */
  int32_t classes;                /* how many class names */
  int32_t thing_count;
  int32_t height, width; /* of the network's input */
  int32_t max_objects;   /* in a frame */
  int32_t reserved;
} mapt_network;

/* ANY. */
MAPT_API const mapt_network* mapt_describe(const mapt_tracker* tracker);

/* ---- A step ----------------------------------------------------------------------------------------------------- */

typedef struct mapt_image {
  const uint8_t* rgb; /* 3 bytes a pixel; they have to stay as they are until mapt_step returns */
  int32_t height, width;
  int64_t stride; /* bytes from row to row; 0: 3 * width */
} mapt_image;

/* A track as of a frame. There is no padding. */
typedef struct mapt_track {
  int32_t id;    /* from 1, never used twice in a tracker's life */
  int32_t label; /* train id */
  double score;  /* of its last detection, in [0,1] */
  double box[4]; /* x1 y1 x2 y2, pixels of the image, around the visible mask; of the last sighting where lost */
  int64_t age;   /* frames since its birth */
  int64_t lost;  /* frames since it was last seen, 0: visible now */
} mapt_track;

typedef enum mapt_stage {
  MAPT_PROPAGATION = 0, /* continues a track by its propagated mask */
  MAPT_APPEARANCE = 1,  /* continues a track by its embedding */
  MAPT_BIRTH = 2,       /* starts a track */
  MAPT_LOST = 3,        /* a track that is no longer seen */
  MAPT_REMOVED = 4,     /* a track that was lost for too long */
  MAPT_OVERFLOW = 5     /* a lost track that ends before its time, because the table is full */
} mapt_stage;

/* Why an identity is what it is. NaN stands for "none". */
typedef struct mapt_decision {
  int32_t stage; /* a mapt_stage */
  int32_t track;
  int32_t detection; /* index among the frame's instances by falling score; -1: none */
  int32_t reserved;
  double score, runner_up, threshold, margin, gate;
} mapt_decision;

/* Stages of a step whose milliseconds are told; MAPT_MS_FRAME is all of it. NaN: the stage did not run. */
enum {
  MAPT_MS_FRAME,
  MAPT_MS_PREPROCESS,
  MAPT_MS_BACKBONE,
  MAPT_MS_SEMANTIC,
  MAPT_MS_INSTANCE,
  MAPT_MS_FUSION,
  MAPT_MS_MOTION,
  MAPT_MS_APPEARANCE,
  MAPT_MS_ASSOCIATION,
  MAPT_MS_OUTPUT,
  MAPT_MS_COUNT
};

/* Heads that a deadline left out, and what the monitor finds wrong, a bit each. */
enum { MAPT_NO_APPEARANCE = 1, MAPT_NO_MOTION = 2 };
enum {
  MAPT_BLIND = 1,     /* an image of one colour; identities stay as they were */
  MAPT_FROZEN = 2,    /* the pixels of the frame before */
  MAPT_SATURATED = 4, /* objects were left out */
  MAPT_EMPTY = 8,     /* one class everywhere */
  MAPT_CHURN = 16     /* most of what was visible lately was new */
};

/* A labelled frame. The pointers are those of its mapt_frame, until the next step into it. */
typedef struct mapt_labels {
  size_t size;
  int64_t stamp_ns;
  int32_t height, width;
  const uint8_t* semantic;  /* (height,width) train ids */
  const int32_t* instance;  /* (height,width) track ids, 0: none */
  const mapt_track* tracks; /* visible ones first, then lost ones, each by id */
  const mapt_decision* decisions;
  int32_t track_count, decision_count;
  int64_t overflow;          /* objects above the score that were left out, one more where every slot is filled */
  uint32_t degraded, alarms; /* bits, see above */
  double ms[MAPT_MS_COUNT];
} mapt_labels;

/* A frame that steps write into, again and again: after the first ones of a size nothing is allocated. NULL where there
 * is no memory. ANY. */
MAPT_API mapt_frame* mapt_frame_new(void);
/* OWNER; NULL is allowed. */
MAPT_API void mapt_frame_free(mapt_frame* frame);
/* Nobody may step into the frame meanwhile. Before its first step it has no pixels. */
MAPT_API const mapt_labels* mapt_frame_read(const mapt_frame* frame);

/* Labels the next frame.
 *
 * `stamp_ns` is above the previous frame's. `deadline_ms` counts from the call: appearance, then motion are left out
 * where they would not fit; NULL: never. What `frame` holds after a step that failed means nothing. TURN; nobody else
 * may use `frame` meanwhile. */
MAPT_API mapt_code mapt_step(mapt_tracker* tracker, const mapt_image* image, int64_t stamp_ns,
                             const double* deadline_ms, mapt_frame* frame, mapt_error* error);

/* Forgets all tracks, as after a camera cut; ids go on counting. TURN. */
MAPT_API mapt_code mapt_reset(mapt_tracker* tracker, mapt_error* error);

/* The id that the next new track gets. ANY. */
MAPT_API int64_t mapt_next_id(const mapt_tracker* tracker);

/* ---- Saved state ------------------------------------------------------------------------------------------------ */

/* Writes everything that the next step depends on, in the bytes of Python's `save_state`. During a step it is the state
 * before that step. `*needed` is set to its size; where `room` is less, or `bytes` NULL, nothing is written and
 * MAPT_INPUT is returned. mapt_state_room bytes are always enough. ANY. */
MAPT_API mapt_code mapt_save(const mapt_tracker* tracker, void* bytes, size_t room, size_t* needed, mapt_error* error);
MAPT_API size_t mapt_state_room(const mapt_tracker* tracker);

/* Goes on where the bytes were saved, here or in Python, with the same ids as if nothing had stopped. Everything is
 * checked before it is used. TURN. */
MAPT_API mapt_code mapt_restore(mapt_tracker* tracker, const void* bytes, size_t size, mapt_error* error);

/* ---- Records ---------------------------------------------------------------------------------------------------- */

/* A record is a file of what the networks gave in every frame, as `mapt track --record` writes it. `mapt track
 * --replay` runs the frames again from it, without the networks and bit for bit. These functions give its bytes, which
 * the caller writes one after the other; they stay until the next of these calls.
 *
 * mapt_record_begin gives the first bytes. From then on steps keep what they need, and allocate memory for it.
 * mapt_record_frame gives those of the frame that was labelled last, in `frame`. `sequence` and `name` are that of its
 * source and file: the names of a folder of frames and of a file in it, without its suffix. mapt_record_end lets steps
 * keep nothing more. TURN; nobody else may use `frame` meanwhile. */
MAPT_API mapt_code mapt_record_begin(mapt_tracker* tracker, const void** bytes, size_t* size, mapt_error* error);
MAPT_API mapt_code mapt_record_frame(mapt_tracker* tracker, const mapt_frame* frame, const char* sequence,
                                     const char* name, const void** bytes, size_t* size, mapt_error* error);
MAPT_API mapt_code mapt_record_end(mapt_tracker* tracker, mapt_error* error);

/* ---- Health ----------------------------------------------------------------------------------------------------- */

typedef enum mapt_health_status {
  MAPT_HEALTHY = 0,   /* the last frame was labelled in full and in time */
  MAPT_DEGRADED = 1,  /* a head was left out, or the output is suspicious */
  MAPT_LATE = 2,      /* labelled after its deadline, or the running step is beyond it */
  MAPT_NO_FRAMES = 3, /* no frame yet, none for longer than masks can be carried, or the last one was refused */
  MAPT_INVALID = 4,   /* the image shows nothing or is not a new one, or an output broke its contract */
  MAPT_FAULT = 5      /* the network failed */
} mapt_health_status;

typedef struct mapt_health {
  size_t size;    /* of this struct, set by the caller */
  int32_t status; /* a mapt_health_status, the worst that holds now */
  int32_t has_frame;
  char reason[512];          /* empty where the status is MAPT_HEALTHY */
  uint32_t degraded, alarms; /* of the last labelled frame */
  int64_t frames, refused, failed;
  int64_t stamp_ns;         /* of the last labelled frame, where has_frame is 1 */
  double age_ms;            /* since it came out; infinite before the first */
  double busy_ms;           /* how long the running step has been at it, 0 between steps */
  double ms[MAPT_MS_COUNT]; /* of the last labelled frame */
} mapt_health;

/* Never waits for a step. ANY. */
MAPT_API void mapt_read_health(const mapt_tracker* tracker, mapt_health* health);
/* "OK", "DEGRADED", "LATE", "NO_INPUT", "INVALID" or "FAULT". ANY. */
MAPT_API const char* mapt_health_name(int32_t status);

/* ---- The library ------------------------------------------------------------------------------------------------ */

/* MAPT_API_VERSION of the library. ANY. */
MAPT_API int32_t mapt_api_version(void);
/* Its release, as "0.1.0". ANY. */
MAPT_API const char* mapt_version(void);

#ifdef __cplusplus
}
#endif

#endif
