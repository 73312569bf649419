// Records of what the networks gave.
#include <exception>

#include "runtime/capi/handles.h"

mapt_code mapt_record_begin(mapt_tracker* tracker, const void** bytes, size_t* size, mapt_error* error) {
  const mapt::Status status = tracker->tracker->record_begin(&tracker->record);
  if (!status.ok()) return mapt::tell(status, error);
  *bytes = tracker->record.data();
  *size = tracker->record.size();
  return mapt::tell(MAPT_OK, "", error);
}

mapt_code mapt_record_frame(mapt_tracker* tracker, const mapt_frame* frame, const char* sequence, const char* name,
                            const void** bytes, size_t* size, mapt_error* error) {
  mapt::RecordPlace place;
  try {
    place = {sequence ? sequence : "", name ? name : ""};
  } catch (const std::exception&) {
    return mapt::tell(MAPT_STEP, "there is no memory for the frame's names", error);
  }
  const mapt::Status status = tracker->tracker->record_frame(frame->frame, place, &tracker->record);
  if (!status.ok()) return mapt::tell(status, error);
  *bytes = tracker->record.data();
  *size = tracker->record.size();
  return mapt::tell(MAPT_OK, "", error);
}

mapt_code mapt_record_end(mapt_tracker* tracker, mapt_error* error) {
  return mapt::tell(tracker->tracker->record_end(), error);
}
