"""The recorder's parts: reading journals into rows, landing them, joining the seam, sealing old segments."""
