//! The programs as they are used, and the rules of the house.
